/** The core of a session, free of I/O: what the client and the world say goes in, effects come out. */
import {
  AUTHENTICATION_EXPIRED,
  AUTHENTICATION_FAILED,
  TRY_AGAIN_LATER,
  limitExceeded,
  protocolError,
  type Close,
} from '@wazo-websocketd/shared/domain/close'
import {
  parseClientMessage,
  type ProtocolVersion,
  type ServerMessage,
} from '@wazo-websocketd/shared/domain/protocol'
import {
  parseTokenId,
  type TokenDetails,
  type TokenId,
  type Verdict,
} from '@wazo-websocketd/shared/domain/identity'
import { command, spoken, type SessionLimits } from './ops.js'
import { FrameQueue, type Frame } from './inbox.js'
import { SubscriptionSet } from './subscriptions.js'
import type { OpResult } from './ports.js'
import { TokenBucket } from './token-bucket.js'

/** What the shell has to do, in this order. */
export type Effect =
  | { readonly kind: 'send'; readonly message: ServerMessage }
  | { readonly kind: 'close'; readonly close: Close }
  /** A name has joined the subscriptions. */
  | { readonly kind: 'subscribed'; readonly name: string }
  /** Become live on the bus; answered with `live`. */
  | { readonly kind: 'start' }
  /** Ask wazo-auth about the new token; answered with `renewal`. */
  | { readonly kind: 'renew'; readonly token: TokenId }
  /** Replace identity, ACL and token at once; answered with `adopted` when live for the new identity. */
  | { readonly kind: 'adopt'; readonly details: TokenDetails }
  /** Deliver nothing from here on, until `adopt`. */
  | { readonly kind: 'suspend' }
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  /** Call `tick` after so many milliseconds. */
  | { readonly kind: 'wait'; readonly delay: number }
  | { readonly kind: 'op'; readonly op: string; readonly result: OpResult }

/** What the next op has to wait for. */
type Wait = 'verdict' | 'live' | 'renewal' | 'adoption' | 'rate'

/** Stands for all empty lists of effects: most sessions have nothing to do most of the time. Never written to. */
const NO_EFFECTS: Effect[] = []

/** Every method returns the effects in order; `now` is milliseconds of a monotonic clock. */
export class Session {
  readonly version: ProtocolVersion
  readonly limits: SessionLimits
  readonly subscriptions = new SubscriptionSet()
  started = false
  private closed = false
  private suspended = false
  private paused = false
  private waiting: Wait | null = 'verdict'
  private readonly inbox = new FrameQueue()
  private readonly bucket: TokenBucket
  private effects: Effect[] = NO_EFFECTS

  constructor(version: ProtocolVersion, limits: SessionLimits, now: number) {
    this.version = version
    this.limits = limits
    this.bucket = new TokenBucket(limits, now)
  }

  /** Whether nothing is under way: every op so far has been answered, and there is a verdict on the token. */
  get idle(): boolean {
    return !this.closed && !this.suspended && this.waiting === null && this.inbox.length === 0
  }

  /** Goes on where another worker has left it; instead of `authenticated`. */
  restore(subscriptions: readonly string[], started: boolean): void {
    for (const name of subscriptions) this.subscriptions.add(name)
    this.started = started
    this.waiting = null
  }

  /** A frame of the client: its text, or null for a binary one. */
  frame(frame: Frame, now: number): readonly Effect[] {
    if (!this.closed && !this.inbox.push(frame)) this.close(limitExceeded('too many operations at once'))
    return this.proceed(now)
  }

  /** The time of a `wait` is over. */
  tick(now: number): readonly Effect[] {
    return this.answered('rate', now)
  }

  /** wazo-auth's verdict on the token of the upgrade. */
  authenticated(verdict: Verdict, now: number): readonly Effect[] {
    if (this.waiting !== 'verdict' || this.closed) return []
    if (verdict.kind === 'valid') this.send({ op: 'init', version: this.version })
    else this.close(closeFor(verdict))
    return this.answered('verdict', now)
  }

  /** The bus is live for the session and the registry knows it. */
  live(now: number): readonly Effect[] {
    if (this.waiting !== 'live' || this.closed) return []
    this.send({ op: 'start' })
    this.started = true
    return this.answered('live', now)
  }

  /** wazo-auth's verdict on the token of the op `token` in flight. */
  renewal(verdict: Verdict, now: number): readonly Effect[] {
    if (this.waiting !== 'renewal' || this.closed) return []
    if (verdict.kind === 'valid') {
      this.suspended = false
      this.waiting = 'adoption'
      this.effect({ kind: 'adopt', details: verdict.details })
    } else this.close(closeFor(verdict))
    return this.proceed(now)
  }

  /** The session is live for the identity that it adopted. */
  adopted(now: number): readonly Effect[] {
    if (this.waiting !== 'adoption' || this.closed) return []
    this.reply(spoken({ op: 'token' }, this))
    return this.answered('adoption', now)
  }

  /** The session's token was deleted. A renewal that is under way gets its verdict first. */
  revoked(now: number): readonly Effect[] {
    if (this.closed || this.suspended) return []
    if (this.waiting === 'renewal' || this.inbox.some(isRenewal)) {
      this.suspended = true
      this.effect({ kind: 'suspend' })
    } else this.close(AUTHENTICATION_EXPIRED)
    return this.proceed(now)
  }

  /** The deadline of a renewal, or of a suspension, has passed. */
  deadline(now: number): readonly Effect[] {
    if (this.suspended || this.waiting === 'renewal') this.close(TRY_AGAIN_LATER)
    return this.proceed(now)
  }

  /** The session is over for a reason of the shell's; nothing has an effect any more. */
  end(): void {
    this.closed = true
    this.waiting = null
    this.inbox.clear()
  }

  private answered(wait: Wait, now: number): readonly Effect[] {
    if (this.waiting === wait) this.waiting = null
    return this.proceed(now)
  }

  /** Handles what may be handled, in order, and returns what that came to. */
  private proceed(now: number): readonly Effect[] {
    while (!this.closed && this.waiting === null && this.inbox.length > 0) {
      const delay = this.bucket.take(now)
      if (delay > 0) {
        this.waiting = 'rate'
        this.effect({ kind: 'wait', delay })
      } else this.handle(this.inbox.shift() as Frame)
    }
    this.regulate()
    const effects = this.effects
    this.effects = NO_EFFECTS
    return effects
  }

  private effect(effect: Effect): void {
    if (this.effects === NO_EFFECTS) this.effects = [effect]
    else this.effects.push(effect)
  }

  /** Stops reading while ops pile up, and reads on when all of them are done. */
  private regulate(): void {
    if (this.closed) return
    if (!this.paused && (this.inbox.full || this.waiting === 'rate')) {
      this.paused = true
      this.effect({ kind: 'pause' })
    } else if (this.paused && this.inbox.length === 0) {
      this.paused = false
      this.effect({ kind: 'resume' })
    }
  }

  private handle(frame: Frame): void {
    if (frame === null) {
      this.refuse('unknown', protocolError('binary frame'))
      return
    }
    const parsed = parseClientMessage(frame)
    if ('fault' in parsed) {
      this.refuse('unknown', protocolError(parsed.fault))
      return
    }
    const message = parsed.ok
    const outcome = command(message, this)
    switch (outcome.kind) {
      case 'refuse':
        this.refuse(message.op, outcome.close)
        return
      case 'renew':
        this.renew(outcome.token)
        return
      case 'start':
        this.waiting = 'live'
        this.effect({ kind: 'start' })
        break
      case 'subscribe':
        this.subscriptions.add(outcome.name)
        this.effect({ kind: 'subscribed', name: outcome.name })
        this.reply(outcome.reply)
        break
      case 'reply':
        this.reply(outcome.reply)
    }
    this.effect({ kind: 'op', op: message.op, result: 'ok' })
  }

  private renew(raw: string): void {
    const token = parseTokenId(raw)
    if (token === null) {
      this.refuse('token', AUTHENTICATION_FAILED)
      return
    }
    this.waiting = 'renewal'
    this.effect({ kind: 'renew', token })
    this.effect({ kind: 'op', op: 'token', result: 'ok' })
  }

  private refuse(op: string, close: Close): void {
    this.effect({ kind: 'op', op, result: 'refused' })
    this.close(close)
  }

  private reply(message: ServerMessage | null): void {
    if (message !== null) this.send(message)
  }

  private send(message: ServerMessage): void {
    this.effect({ kind: 'send', message })
  }

  private close(close: Close): void {
    if (this.closed) return
    this.effect({ kind: 'close', close })
    this.closed = true
    this.inbox.clear()
  }
}

function isRenewal(frame: Frame): boolean {
  if (frame === null) return false
  const parsed = parseClientMessage(frame)
  return 'ok' in parsed && parsed.ok.op === 'token'
}

/** How a session ends whose token got this verdict. */
export function closeFor(verdict: Exclude<Verdict, { kind: 'valid' }>): Close {
  switch (verdict.kind) {
    case 'invalid':
      return AUTHENTICATION_FAILED
    case 'oversized':
      return limitExceeded(verdict.limit)
    case 'unavailable':
      return TRY_AGAIN_LATER
  }
}
