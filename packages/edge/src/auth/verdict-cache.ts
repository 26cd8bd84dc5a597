import type { TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import { LRUCache } from 'lru-cache'

/** How long an answer about a token is good for another session of it. */
export const CACHE_TTL_MS = 10_000
/** For so long a look-up that failed is not repeated for its token. */
const FAILURE_TTL_MS = 1_000
/** The oldest answers are too old by then. */
const PURGE_AFTER_MS = CACHE_TTL_MS + 1
const CACHE_MAX_BYTES = 32 * 1024 * 1024
/** An entry without its ACL: more than it takes. */
const ENTRY_BYTES = 1_024

/** Remembers answers of wazo-auth for a moment, within a bound of memory. */
export class VerdictCache {
  private readonly verdicts: LRUCache<TokenId, Verdict>
  /** Of each session; all but a few have one. */
  private readonly tokens = new Map<string, readonly TokenId[]>()
  private readonly clock: Clock
  private readonly authTime: () => number
  private purgeTimer: Timer | null = null

  constructor(clock: Clock, authTime: () => number) {
    this.clock = clock
    this.authTime = authTime
    this.verdicts = new LRUCache<TokenId, Verdict>({
      maxSize: CACHE_MAX_BYTES,
      sizeCalculation,
      ttl: CACHE_TTL_MS,
      ttlResolution: 0,
      perf: { now: () => clock.monotonic() },
      dispose: (verdict, token) => this.disposed(verdict, token),
    })
  }

  /** What is remembered about `token`; nothing once it has expired. */
  get(token: TokenId): Verdict | undefined {
    const verdict = this.verdicts.get(token)
    if (verdict?.kind === 'valid' && verdict.details.expiresAt <= this.authTime()) return undefined
    return verdict
  }

  /** Remembers an answer, or for a shorter time that there was none. */
  set(token: TokenId, verdict: Verdict): void {
    this.purgeTimer ??= this.clock.after(PURGE_AFTER_MS, () => this.purge())
    this.verdicts.set(token, verdict, {
      ttl: verdict.kind === 'unavailable' ? FAILURE_TTL_MS : CACHE_TTL_MS,
    })
    if (verdict.kind !== 'valid' || !this.verdicts.has(token)) return
    const { sessionUuid } = verdict.details
    const others = this.tokens.get(sessionUuid)?.filter((other) => other !== token) ?? []
    this.tokens.set(sessionUuid, [...others, token])
  }

  /** Drops what is remembered about the tokens of a session. */
  forget(sessionUuid: string): void {
    for (const token of this.tokens.get(sessionUuid) ?? []) this.verdicts.delete(token)
  }

  clear(): void {
    this.verdicts.clear()
    this.purgeTimer?.cancel()
    this.purgeTimer = null
  }

  /** The cache itself forgets an answer that is too old only when somebody asks for it: tokens would stay in memory. */
  private purge(): void {
    this.purgeTimer = null
    this.verdicts.purgeStale()
    if (this.verdicts.size > 0) this.purgeTimer = this.clock.after(PURGE_AFTER_MS, () => this.purge())
  }

  private disposed(verdict: Verdict, token: TokenId): void {
    if (verdict.kind !== 'valid') return
    const { sessionUuid } = verdict.details
    const others = this.tokens.get(sessionUuid)?.filter((other) => other !== token) ?? []
    if (others.length === 0) this.tokens.delete(sessionUuid)
    else this.tokens.set(sessionUuid, others)
  }
}

function sizeCalculation(verdict: Verdict): number {
  if (verdict.kind !== 'valid') return ENTRY_BYTES
  let bytes = ENTRY_BYTES
  for (const pattern of verdict.details.acl) bytes += 2 * pattern.length + 32
  return bytes
}
