import type { TokenDetails, TokenId } from '@wazo-websocketd/shared/domain/identity'
import { Backoff } from '@wazo-websocketd/shared/runtime/backoff'
import type { Timer } from '@wazo-websocketd/shared/runtime/clock'
import { hashTag, type TokenHash } from '@wazo-websocketd/shared/runtime/token-hash'
import type { Logger } from 'pino'
import type { ExpirySource, TokenLookup, TokenHolder } from '../../session/ports.js'
import type { ExpiryJob } from './job.js'
import type { RecheckRule } from './recheck-rule.js'
import { WHEEL_LATE_MS_MAX, type TimerWheel } from './timer-wheel.js'

/** No session outlives its token by more, whatever has failed. */
const OUTLIVES_MS_MAX = 2_000
/** The queue is given so long before the backstop acts, or less where wazo-auth's time is not well known. */
const BACKSTOP_MS = 1_500
/** A notice that this worker's clock finds early by more is checked first. */
const EARLY_MAX_MS = 1_000
/** A check whose notice has not come by then was lost. */
const OVERDUE_MS = 30_000
const RETRY_FIRST_MS = 1_000
const RETRY_MAX_MS = 32_000
/** A token that is to expire sooner after a failed check gets its last job: no later try is sure to come before it. */
const LAST_JOB_MS = 2 * RETRY_MAX_MS
/** Of all workers that have just checked a token, the first one adds the next job; the job that told them is gone by then. */
const NEXT_JOB: JobDelay = { minMs: 1_000, spreadMs: 2_000 }
/** A session that comes and goes needs no job, and where thousands come back at once, they are let in first. */
export const FIRST_JOB: JobDelay = { minMs: 4_000, spreadMs: 4_000 }

/** A job is added after `minMs` and a random part of `spreadMs`. */
export interface JobDelay {
  readonly minMs: number
  readonly spreadMs: number
}

/** What the watched tokens of a worker share. */
export interface WatchContext {
  /** Asks wazo-auth afresh. */
  readonly lookup: (token: TokenId) => TokenLookup
  readonly rule: RecheckRule
  /** wazo-auth's time, milliseconds of Unix time. */
  readonly authTime: () => number
  /** By how much `authTime` may be wrong, milliseconds. */
  readonly uncertainty: () => number
  readonly wheel: TimerWheel
  /** The token has no holder any more; called once. */
  readonly ended: (hash: TokenHash) => void
  /** Sets the cluster's timer for a token. Must not throw. */
  readonly add: (job: ExpiryJob) => void
  readonly random: () => number
  /** How long a new token waits for its first job. */
  readonly firstJob: JobDelay
  readonly log: Pick<Logger, 'debug'>
}

/** Stands for one holder of a token, with the rights that it knows of. */
class Watch {
  readonly holder: TokenHolder
  details: TokenDetails
  private readonly watched: WatchedToken

  constructor(watched: WatchedToken, holder: TokenHolder, details: TokenDetails) {
    this.watched = watched
    this.holder = holder
    this.details = details
  }

  stop(): void {
    this.watched.release(this)
  }
}

/** Follows a live token: who holds it, when it is looked at next, and when it ends at the latest. */
export class WatchedToken {
  readonly hash: TokenHash
  private readonly context: WatchContext
  private readonly token: TokenId
  /** Few: a token's connections are limited, and most have one. */
  private watches: readonly Watch[] = []
  private expiresAt: number
  private isEnded = false
  /** The check under way. */
  private tokenLookup: TokenLookup | null = null
  /** Delays of the tries while wazo-auth does not answer; null: it has answered the last one. */
  private backoff: Backoff | null = null
  /** When the cluster's timer is to ring for this token; null once it has. This and what follows is wazo-auth's time. */
  private dueAt: number | null = null
  /** The queue has the job of the expiry and so takes none for a check. */
  private lastJobSet = false
  /** When the token ends, if nothing happens before, and by whose word. */
  private endAt: number
  private endSource: ExpirySource
  /** When it is checked here, if the cluster's timer has not rung by then, and in whose name. */
  private checkAt: number | null = null
  private checkSource: ExpirySource = 'backstop'
  /** When the cluster's timer is set. */
  private addAt: number | null = null
  /** Rings at the first of these three. */
  private timer: Timer | null = null

  constructor(context: WatchContext, hash: TokenHash, details: TokenDetails) {
    this.context = context
    this.hash = hash
    this.token = details.token
    this.expiresAt = details.expiresAt
    this.endAt = this.backstopAt()
    this.endSource = 'backstop'
    this.plan(context.authTime())
    this.addAfter(context.firstJob)
    this.setTimer()
  }

  /** The job that has to be in the queue, if any. */
  get pendingJob(): ExpiryJob | null {
    return this.addAt === null ? this.job : null
  }

  private get job(): ExpiryJob | null {
    const { hash, expiresAt, dueAt } = this
    return dueAt === null ? null : { hash, expiresAt, dueAt }
  }

  /**
   * Another holder; stopping the last one ends the watch. One that comes after the token's end, as a session may whose hand-over
   * took long, is ended before this returns.
   */
  hold(details: TokenDetails, holder: TokenHolder): { stop(): void } {
    const watch = new Watch(this, holder, details)
    this.watches = [...this.watches, watch]
    this.moveExpiry(details.expiresAt)
    if (this.endAt <= this.context.authTime()) this.end(this.endSource, 'expired')
    return watch
  }

  /** A holder has stopped; idempotent. */
  release(watch: Watch): void {
    if (!this.watches.includes(watch)) return
    this.watches = this.watches.filter((other) => other !== watch)
    if (this.watches.length === 0) this.stop()
  }

  /** Somebody says that this token is to be checked now. */
  recheck(source: ExpirySource): void {
    void this.check(source)
  }

  /** The queue says that this token has expired; believed unless it is clearly early. */
  expired(): void {
    const { authTime, uncertainty } = this.context
    const end = this.expiresAt + uncertainty()
    const now = authTime()
    if (this.expiresAt - now > EARLY_MAX_MS) this.recheck('queue')
    else if (now >= end) this.end('queue', 'expired')
    else {
      this.endAt = end
      this.endSource = 'queue'
      this.setTimer()
    }
  }

  /** Ends the watch without a word; idempotent. */
  stop(): void {
    if (this.isEnded) return
    this.isEnded = true
    this.tokenLookup?.withdraw()
    this.timer?.cancel()
    this.context.ended(this.hash)
  }

  private backstopAt(): number {
    const { uncertainty } = this.context
    return this.expiresAt + Math.min(BACKSTOP_MS, OUTLIVES_MS_MAX - uncertainty() - WHEEL_LATE_MS_MAX)
  }

  /** Sets when the token is looked at next, by the rule, counted from `from`. */
  private plan(from: number): void {
    const { rule, uncertainty } = this.context
    const { expiresAt } = this
    const at = from + rule(expiresAt - from)
    const isExpiry = at >= expiresAt
    this.dueAt = isExpiry ? expiresAt + uncertainty() : at
    this.checkAt = isExpiry ? null : at + (this.lastJobSet ? 0 : OVERDUE_MS)
    this.checkSource = 'backstop'
  }

  /** Adds the job after that delay; sooner where it is due soon. */
  private addAfter({ minMs, spreadMs }: JobDelay): void {
    const { authTime, random } = this.context
    const now = authTime()
    const left = (this.dueAt ?? now) - now
    this.addAt = now + Math.min(minMs + random() * spreadMs, left / 2)
  }

  /** After any change of the times it rings at. */
  private setTimer(): void {
    const at = Math.min(this.endAt, this.checkAt ?? Infinity, this.addAt ?? Infinity)
    const { timer } = this
    this.timer = this.context.wheel.schedule(at, timerDue, this)
    timer?.cancel()
  }

  /** The first of the times has come. */
  timerDue(): void {
    const now = this.context.authTime()
    if (this.endAt <= now) {
      this.end(this.endSource, 'expired')
      return
    }
    if (this.addAt !== null && this.addAt <= now) this.addJob()
    if (this.checkAt !== null && this.checkAt <= now) {
      this.checkAt = null
      this.recheck(this.checkSource)
    }
    this.setTimer()
  }

  /** Sets the cluster's timer. */
  private addJob(): void {
    this.addAt = null
    const { job } = this
    if (job !== null) this.context.add(job)
  }

  private async check(source: ExpirySource): Promise<void> {
    if (this.tokenLookup !== null) return
    this.dueAt = null
    const from = this.context.authTime()
    this.tokenLookup = this.context.lookup(this.token)
    const verdict = await this.tokenLookup.answer
    this.tokenLookup = null
    if (this.isEnded) return
    switch (verdict.kind) {
      case 'valid':
        this.stillValid(verdict.details, from)
        break
      case 'unavailable':
        this.retry(source)
        break
      default:
        this.end(source, this.context.authTime() >= this.expiresAt ? 'expired' : 'refused')
    }
  }

  private stillValid(details: TokenDetails, from: number): void {
    this.backoff = null
    this.moveExpiry(details.expiresAt)
    this.plan(from)
    this.addAfter(NEXT_JOB)
    this.setTimer()
    for (const watch of this.watches) {
      const known = watch.details
      watch.details = details
      if (!isSame(known, details)) watch.holder.renewed(details)
    }
  }

  private retry(source: ExpirySource): void {
    const { authTime, rule, uncertainty } = this.context
    const { expiresAt } = this
    const now = authTime()
    const left = expiresAt - now
    this.backoff ??= new Backoff({ firstMs: RETRY_FIRST_MS, maxMs: RETRY_MAX_MS, jitter: 0 })
    this.checkAt = now + this.backoff.next()
    this.checkSource = source
    // While wazo-auth is away the tries are each worker's own; the end is the cluster's again.
    if (left <= LAST_JOB_MS || left <= rule(left)) {
      this.dueAt = expiresAt + uncertainty()
      this.lastJobSet = true
      this.addAfter(NEXT_JOB)
    }
    this.setTimer()
  }

  private moveExpiry(expiresAt: number): void {
    if (expiresAt === this.expiresAt) return
    this.expiresAt = expiresAt
    this.endAt = this.backstopAt()
    this.endSource = 'backstop'
    this.setTimer()
  }

  /** Ends the token, and so the sessions that hold it; idempotent. */
  private end(source: ExpirySource, why: 'expired' | 'refused'): void {
    const { watches, hash } = this
    this.watches = []
    this.stop()
    this.context.log.debug({ tokenHash: hashTag(hash), source, why, sessions: watches.length }, 'token ended')
    for (const { holder } of watches) holder.ended(source, why)
  }
}

const timerDue = (watched: WatchedToken) => watched.timerDue()

function isSame(a: TokenDetails, b: TokenDetails): boolean {
  return (
    a.expiresAt === b.expiresAt &&
    a.sessionUuid === b.sessionUuid &&
    a.userUuid === b.userUuid &&
    a.tenantUuid === b.tenantUuid &&
    a.admin === b.admin &&
    a.acl.length === b.acl.length &&
    a.acl.every((pattern, i) => pattern === b.acl[i])
  )
}
