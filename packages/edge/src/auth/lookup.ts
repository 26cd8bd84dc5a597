import type { TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Authenticator, LookupPriority, TokenLookup } from '../session/ports.js'
import type { FailingAddresses } from './failing-addresses.js'
import { LookupQueue, PendingLookup } from './lookup-queue.js'
import type { AuthMetrics, LookupDropReason } from './metrics.js'
import { VerdictCache } from './verdict-cache.js'

/** What wazo-auth is to be asked, until `deadline` (monotonic milliseconds). */
export type LookupRequest = Pick<PendingLookup, 'token' | 'since' | 'deadline' | 'wanted'>

/** The seam to wazo-auth. */
export interface VerdictSource {
  /** Never rejects; answers by the deadline, and gives up once nobody wants the answer. */
  lookup(request: LookupRequest): Promise<Verdict>
  /** Whether there is no point in asking: it would be given up at once. */
  isHopeless(request: LookupRequest): boolean
}

export interface LookupsOptions {
  readonly source: VerdictSource
  readonly addresses: Pick<FailingAddresses, 'isSlowed' | 'failed'>
  readonly clock: Clock
  readonly metrics: AuthMetrics
  /** wazo-auth's time, milliseconds of Unix time. */
  readonly authTime: () => number
  /** Requests under way, of this worker: the host's limit divided among its workers. */
  readonly inFlightMax: number
  /** Look-ups that wait for their turn, of each priority. */
  readonly waitingMax: number
  /** Deadline of a look-up, waiting included. */
  readonly totalMs: number
}

/** One in so many requests under way is kept for open sessions, whatever becomes of the others. */
const SESSION_SHARE = 8

const UNAVAILABLE: Verdict = { kind: 'unavailable' }

/** Looks tokens up: one request per token at a time, answers remembered for a moment, all of it bounded. */
export class Lookups implements Authenticator {
  private readonly options: LookupsOptions
  private readonly cache: VerdictCache
  /** Under way or waiting, by token. */
  private readonly pending = new Map<TokenId, PendingLookup>()
  private readonly queue: LookupQueue
  private readonly connectsMax: number
  private inFlight = 0
  /** Of these, for clients that are not let in yet. */
  private connects = 0
  /** Rises with every revocation: that a token lives, by an answer that was under way meanwhile, is not remembered. */
  private revocations = 0
  /** Rises when revocations may have been missed: an answer that was under way meanwhile does not say that a token lives. */
  private losses = 0

  constructor(options: LookupsOptions) {
    this.options = options
    this.cache = new VerdictCache(options.clock, options.authTime)
    this.queue = new LookupQueue(options.waitingMax)
    this.connectsMax = options.inFlightMax - Math.floor(options.inFlightMax / SESSION_SHARE)
  }

  lookup(token: TokenId, priority: LookupPriority, address: string): TokenLookup {
    const cached = this.cache.get(token)
    if (cached === undefined) return this.ask(token, priority, priority === 'connect' ? address : null)
    this.options.metrics.coalesced()
    return answered(cached)
  }

  /** The same without the remembered answers: for re-checks. */
  lookupFresh(token: TokenId): TokenLookup {
    return this.ask(token, 'session', null)
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
    for (const [token, lookup] of this.pending) if (!this.queue.has(lookup)) this.pending.delete(token)
  }

  private ask(token: TokenId, priority: LookupPriority, address: string | null): TokenLookup {
    const running = this.pending.get(token)
    if (running !== undefined) {
      this.options.metrics.coalesced()
      const joined = this.join(running)
      if (priority === 'session') this.queue.promote(running)
      this.startNext()
      return joined
    }
    const excess = this.excess(priority, address)
    if (excess !== null) {
      this.options.metrics.dropped(excess)
      return answered(UNAVAILABLE)
    }
    const lookup = this.join(this.enqueue(token, priority, address))
    this.startNext()
    return lookup
  }

  private join(lookup: PendingLookup): TokenLookup {
    let withdrawn = false
    lookup.join()
    return {
      answer: lookup.answer,
      withdraw: () => {
        if (withdrawn) return
        withdrawn = true
        lookup.leave()
        if (!lookup.wanted && this.queue.remove(lookup)) this.drop(lookup, 'withdrawn')
      },
    }
  }

  /** The limit for which wazo-auth is not to be asked; null: none. */
  private excess(priority: LookupPriority, address: string | null): 'address' | 'full' | null {
    if (address !== null && this.options.addresses.isSlowed(address)) return 'address'
    return !this.mayStart(priority) && this.queue.isFull(priority) ? 'full' : null
  }

  private mayStart(priority: LookupPriority): boolean {
    return (
      this.inFlight < this.options.inFlightMax && (priority === 'session' || this.connects < this.connectsMax)
    )
  }

  private enqueue(token: TokenId, priority: LookupPriority, address: string | null): PendingLookup {
    const { clock, totalMs } = this.options
    const since = clock.monotonic()
    const lookup = new PendingLookup({ token, priority, address, since, deadline: since + totalMs })
    this.pending.set(token, lookup)
    this.queue.add(lookup)
    const timer = clock.after(totalMs, () => this.tooLate(lookup))
    void lookup.answer.then(() => timer.cancel())
    return lookup
  }

  private startNext(): void {
    for (const priority of ['session', 'connect'] as const) this.settleHopeless(priority)
    while (this.mayStart('session')) {
      const next = this.queue.shift(
        this.mayStart('connect') ? 'connect' : 'session',
        this.options.clock.monotonic(),
      )
      if (next === undefined) return
      if (this.isSlowed(next)) this.drop(next, 'address')
      else void this.start(next)
    }
  }

  private settleHopeless(priority: LookupPriority): void {
    for (;;) {
      const oldest = this.queue.oldest(priority)
      if (oldest === undefined || !this.options.source.isHopeless(oldest)) return
      this.queue.remove(oldest)
      this.settle(oldest, UNAVAILABLE)
    }
  }

  /** Since it has been waiting, others of its address may have failed. */
  private isSlowed({ priority, address }: PendingLookup): boolean {
    return priority === 'connect' && address !== null && this.options.addresses.isSlowed(address)
  }

  private async start(lookup: PendingLookup): Promise<void> {
    const connects = lookup.priority === 'connect' ? 1 : 0
    this.inFlight++
    this.connects += connects
    const { revocations, losses } = this
    const answer = await this.options.source.lookup(lookup)
    this.inFlight--
    this.connects -= connects
    if (answer.kind === 'invalid' && lookup.address !== null) this.options.addresses.failed(lookup.address)
    // Nothing that has happened meanwhile revives a token.
    if (answer.kind !== 'valid' || revocations === this.revocations) this.cache.set(lookup.token, answer)
    this.settle(lookup, answer.kind === 'valid' && losses !== this.losses ? UNAVAILABLE : answer)
    this.startNext()
  }

  private tooLate(lookup: PendingLookup): void {
    if (this.queue.remove(lookup)) this.drop(lookup, 'late')
    else this.settle(lookup, UNAVAILABLE)
  }

  /** Gives a look-up up that waits no more and was not made. */
  private drop(lookup: PendingLookup, reason: LookupDropReason): void {
    this.options.metrics.dropped(reason)
    this.settle(lookup, UNAVAILABLE)
  }

  private settle(lookup: PendingLookup, verdict: Verdict): void {
    if (this.pending.get(lookup.token) === lookup) this.pending.delete(lookup.token)
    lookup.settle(verdict)
  }
}

function answered(verdict: Verdict): TokenLookup {
  return { answer: Promise.resolve(verdict), withdraw: () => undefined }
}
