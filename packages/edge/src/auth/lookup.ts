import type { TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Authenticator } from '../session/ports.js'
import type { AuthMetrics } from './metrics.js'
import { VerdictCache } from './verdict-cache.js'

/** The seam to wazo-auth. */
export interface TokenSource {
  /** Never rejects; answers by `deadline` (monotonic milliseconds). */
  lookup(token: TokenId, deadline: number): Promise<Verdict>
}

export interface LookupsOptions {
  readonly source: TokenSource
  readonly clock: Clock
  readonly metrics: AuthMetrics
  /** wazo-auth's time, milliseconds of Unix time. */
  readonly authTime: () => number
  /** Requests under way, of this worker: the host's limit divided among its workers. */
  readonly inFlightMax: number
  /** Look-ups that wait for their turn. */
  readonly waitingMax: number
  /** Deadline of a look-up, waiting included. */
  readonly totalMs: number
}

interface PendingLookup {
  readonly token: TokenId
  readonly deadline: number
  readonly answer: Promise<Verdict>
  readonly resolve: (verdict: Verdict) => void
}

const UNAVAILABLE: Verdict = { kind: 'unavailable' }

/** Look-ups of tokens: one request per token at a time, answers remembered for a moment, all of it bounded. */
export class Lookups implements Authenticator {
  private readonly options: LookupsOptions
  private readonly cache: VerdictCache
  /** Under way or waiting, by token. */
  private readonly pending = new Map<TokenId, PendingLookup>()
  /** In order of arrival. */
  private readonly waiting = new Set<PendingLookup>()
  private inFlight = 0
  /** Rises with every revocation: an answer that was under way meanwhile is not remembered. */
  private revocations = 0
  /** Rises when revocations may have been missed: an answer that was under way meanwhile does not say that a token lives. */
  private losses = 0

  constructor(options: LookupsOptions) {
    this.options = options
    this.cache = new VerdictCache(options.clock, options.authTime)
  }

  lookup(token: TokenId): Promise<Verdict> {
    const cached = this.cache.get(token)
    if (cached === undefined) return this.lookupFresh(token)
    this.options.metrics.coalesced()
    return Promise.resolve(cached)
  }

  /** The same without the remembered answers: for re-checks. */
  lookupFresh(token: TokenId): Promise<Verdict> {
    const running = this.pending.get(token)
    if (running !== undefined) {
      this.options.metrics.coalesced()
      return running.answer
    }
    if (this.inFlight >= this.options.inFlightMax && this.waiting.size >= this.options.waitingMax)
      return Promise.resolve(UNAVAILABLE)
    return this.enqueue(token)
  }

  /** Empties the remembered answers about the session that wazo-auth has just ended. */
  forget(sessionUuid: string): void {
    this.revocations++
    this.cache.forget(sessionUuid)
  }

  /**
   * Revocations may have been missed: empties all remembered answers, and does not believe those that are under way,
   * which may be older than a deletion that nobody here has heard of.
   */
  forgetAll(): void {
    this.revocations++
    this.losses++
    this.cache.clear()
    for (const [token, entry] of this.pending) if (!this.waiting.has(entry)) this.pending.delete(token)
  }

  private enqueue(token: TokenId): Promise<Verdict> {
    const { clock, totalMs } = this.options
    const { promise, resolve } = withResolver<Verdict>()
    const entry: PendingLookup = { token, deadline: clock.monotonic() + totalMs, answer: promise, resolve }
    this.pending.set(token, entry)
    this.waiting.add(entry)
    const timer = clock.after(totalMs, () => this.settle(entry, UNAVAILABLE))
    void promise.then(() => timer.cancel())
    this.startNext()
    return promise
  }

  private startNext(): void {
    for (const entry of this.waiting) {
      if (this.inFlight >= this.options.inFlightMax) return
      this.waiting.delete(entry)
      void this.start(entry)
    }
  }

  private async start(entry: PendingLookup): Promise<void> {
    this.inFlight++
    const { revocations, losses } = this
    const answer = await this.options.source.lookup(entry.token, entry.deadline)
    this.inFlight--
    const verdict = answer.kind === 'valid' && losses !== this.losses ? UNAVAILABLE : answer
    if (revocations === this.revocations && this.pending.get(entry.token) === entry)
      this.cache.set(entry.token, verdict)
    this.settle(entry, verdict)
    this.startNext()
  }

  private settle(entry: PendingLookup, verdict: Verdict): void {
    this.waiting.delete(entry)
    if (this.pending.get(entry.token) === entry) this.pending.delete(entry.token)
    entry.resolve(verdict)
  }
}

function withResolver<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
