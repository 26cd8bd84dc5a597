import type { TokenDetails, TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import { hashToken, type TokenHash } from '@wazo-websocketd/shared/runtime/token-hash'
import type { TokenHolder, TokenWatch } from '../session/ports.js'
import type { AuthMetrics } from './metrics.js'
import type { RecheckRule } from './recheck-rule.js'
import { TimerWheel } from './timer-wheel.js'

/** wazo-auth's clock is known to half a second: sessions end so much later, rather than before their time. */
const EXPIRY_GRACE_MS = 500
/** A broadcast expiry that this worker's clock finds early by more is checked first. */
const EARLY_MAX_MS = 1_000
const RETRY_DELAY_FIRST_MS = 1_000
const RETRY_DELAY_MAX_MS = 32_000

export interface TokenWatcherOptions {
  /** Asks wazo-auth afresh. Never rejects. */
  readonly ask: (token: TokenId) => Promise<Verdict>
  readonly rule: RecheckRule
  readonly clock: Clock
  /** wazo-auth's time, milliseconds of Unix time. */
  readonly authTime: () => number
  readonly metrics: Pick<AuthMetrics, 'tracked'>
}

/** One holder, with the rights that it knows of. */
interface Watch {
  readonly holder: TokenHolder
  details: TokenDetails
}

interface Watched {
  readonly token: TokenId
  readonly hash: TokenHash
  readonly watches: Set<Watch>
  expiresAt: number
  expiry: Timer
  check: Timer | null
  checking: boolean
  failures: number
}

/** The live tokens of a worker: each is checked by the rule and ends at its expiry, whatever becomes of wazo-auth. */
export class TokenWatcher implements TokenWatch {
  private readonly options: TokenWatcherOptions
  private readonly wheel: TimerWheel
  private readonly tokens = new Map<TokenHash, Watched>()

  constructor(options: TokenWatcherOptions) {
    this.options = options
    this.wheel = new TimerWheel({ clock: options.clock, now: options.authTime })
  }

  watch(details: TokenDetails, holder: TokenHolder): { stop(): void } {
    const watched = this.tokens.get(hashToken(details.token)) ?? this.add(details)
    const watch: Watch = { holder, details }
    watched.watches.add(watch)
    return {
      stop: () => {
        if (watched.watches.delete(watch) && watched.watches.size === 0) this.remove(watched)
      },
    }
  }

  /** Somebody says that this token is to be checked now. */
  recheck(hash: TokenHash): void {
    const watched = this.tokens.get(hash)
    if (watched !== undefined) void this.check(watched)
  }

  /** Somebody says that this token has expired; believed unless it is clearly early. */
  expired(hash: TokenHash): void {
    const watched = this.tokens.get(hash)
    if (watched === undefined) return
    if (watched.expiresAt - this.options.authTime() > EARLY_MAX_MS) void this.check(watched)
    else this.end(watched, 'queue', 'expired')
  }

  /** Ends all watching without a word. */
  stop(): void {
    this.tokens.clear()
    this.wheel.clear()
  }

  private add(details: TokenDetails): Watched {
    const { token, expiresAt } = details
    const hash = hashToken(token)
    const watched: Watched = {
      token,
      hash,
      expiresAt,
      watches: new Set(),
      expiry: this.wheel.schedule(expiresAt + EXPIRY_GRACE_MS, () =>
        this.end(watched, 'backstop', 'expired'),
      ),
      check: null,
      checking: false,
      failures: 0,
    }
    this.tokens.set(hash, watched)
    this.schedule(watched)
    this.options.metrics.tracked(this.tokens.size)
    return watched
  }

  private remove(watched: Watched): void {
    if (this.tokens.get(watched.hash) !== watched) return
    this.tokens.delete(watched.hash)
    watched.expiry.cancel()
    watched.check?.cancel()
    this.options.metrics.tracked(this.tokens.size)
  }

  /** The next check by the rule; none when that is the expiry itself. */
  private schedule(watched: Watched): void {
    const now = this.options.authTime()
    const left = watched.expiresAt - now
    this.scheduleCheck(watched, now + this.options.rule(left))
  }

  private scheduleCheck(watched: Watched, at: number): void {
    watched.check?.cancel()
    watched.check = at >= watched.expiresAt ? null : this.wheel.schedule(at, () => void this.check(watched))
  }

  private async check(watched: Watched): Promise<void> {
    if (watched.checking) return
    watched.checking = true
    const verdict = await this.options.ask(watched.token)
    watched.checking = false
    if (this.tokens.get(watched.hash) !== watched) return
    if (verdict.kind === 'valid') this.renew(watched, verdict.details)
    else if (verdict.kind === 'unavailable') this.retry(watched)
    else {
      const expired = this.options.authTime() >= watched.expiresAt
      this.end(watched, 'queue', expired ? 'expired' : 'refused')
    }
  }

  private renew(watched: Watched, details: TokenDetails): void {
    watched.failures = 0
    if (details.expiresAt !== watched.expiresAt) {
      watched.expiresAt = details.expiresAt
      watched.expiry.cancel()
      watched.expiry = this.wheel.schedule(details.expiresAt + EXPIRY_GRACE_MS, () =>
        this.end(watched, 'backstop', 'expired'),
      )
    }
    this.schedule(watched)
    for (const watch of watched.watches) {
      const known = watch.details
      watch.details = details
      if (!sameRights(known, details)) watch.holder.renewed(details)
    }
  }

  private retry(watched: Watched): void {
    const delay = Math.min(RETRY_DELAY_FIRST_MS * 2 ** watched.failures, RETRY_DELAY_MAX_MS)
    if (delay < RETRY_DELAY_MAX_MS) watched.failures++
    this.scheduleCheck(watched, this.options.authTime() + delay)
  }

  private end(watched: Watched, source: 'queue' | 'backstop', why: 'expired' | 'refused'): void {
    const watches = [...watched.watches]
    watched.watches.clear()
    this.remove(watched)
    for (const { holder } of watches) holder.ended(source, why)
  }
}

function sameRights(a: TokenDetails, b: TokenDetails): boolean {
  return (
    a.sessionUuid === b.sessionUuid &&
    a.userUuid === b.userUuid &&
    a.tenantUuid === b.tenantUuid &&
    a.admin === b.admin &&
    a.acl.length === b.acl.length &&
    a.acl.every((pattern, i) => pattern === b.acl[i])
  )
}
