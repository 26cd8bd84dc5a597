/** The core of a session, free of I/O: what client, wazo-auth and bus say goes in, effects come out. */
import {
  AUTHENTICATION_EXPIRED,
  AUTHENTICATION_FAILED,
  TRY_AGAIN_LATER,
  limitExceeded,
  protocolError,
  type Close,
} from '@wazo-websocketd/shared/domain/close'
import type { Verdict } from '@wazo-websocketd/shared/domain/identity'
import {
  parseClientMessage,
  type ProtocolVersion,
  type ServerMessage,
} from '@wazo-websocketd/shared/domain/protocol'
import type { Effect } from './effects.js'
import { FrameQueue, type Frame } from './frame-queue.js'
import { refuse, reply, runOp, type SessionLimits } from './ops.js'
import { SubscriptionSet } from './subscriptions.js'
import { TokenBucket } from './token-bucket.js'

/** `open`: the next op is handled at once. In all others it waits, or, when `closed`, is dropped. */
type Phase = 'authenticating' | 'open' | 'starting' | 'renewing' | 'adopting' | 'throttled' | 'closed'

/** The phase that an effect begins; it ends with the answer to that effect. */
const PHASE_AFTER: ReadonlyMap<Effect['kind'], Phase> = new Map([
  ['start', 'starting'],
  ['renew', 'renewing'],
  ['adopt', 'adopting'],
  ['wait', 'throttled'],
  ['close', 'closed'],
])

const BINARY_FRAME = { fault: 'binary frame' } as const

/** Stands for all empty lists of effects: most sessions have nothing to do most of the time. Never written to. */
const NO_EFFECTS: Effect[] = []

/**
 * Decides what happens in one session: messages, verdicts and time go in, effects come out. Every method returns the
 * effects in order; `now` is milliseconds of a monotonic clock.
 */
export class Session {
  readonly version: ProtocolVersion
  readonly limits: SessionLimits
  /** What the session is told at `init` about positions, in seconds; null: it has none. */
  readonly resumeSeconds: number | null
  readonly subscriptions = new SubscriptionSet()
  started = false
  private phase: Phase = 'authenticating'
  /** The token was deleted, and the verdict on a new one decides. */
  private suspended = false
  private paused = false
  private readonly inbox = new FrameQueue()
  private readonly bucket: TokenBucket
  private effects: Effect[] = NO_EFFECTS

  constructor(
    version: ProtocolVersion,
    limits: SessionLimits,
    now: number,
    resumeSeconds: number | null = null,
  ) {
    this.version = version
    this.resumeSeconds = resumeSeconds
    this.limits = limits
    this.bucket = new TokenBucket(limits, now)
  }

  /** Whether nothing is under way: every op so far has been answered, and there is a verdict on the token. */
  get idle(): boolean {
    return this.phase === 'open' && !this.suspended && this.inbox.length === 0
  }

  /** Goes on where another worker stopped; called instead of `authenticated`. */
  restore(subscriptions: readonly string[], started: boolean): void {
    for (const name of subscriptions) this.subscriptions.add(name)
    this.started = started
    this.phase = 'open'
  }

  /** A frame of the client: its text, or null for a binary one. */
  frame(frame: Frame, now: number): readonly Effect[] {
    if (this.phase !== 'closed' && !this.inbox.push(frame))
      this.close(limitExceeded('too many operations at once'))
    return this.proceed(now)
  }

  /** The time of a `wait` is over. */
  tick(now: number): readonly Effect[] {
    return this.answered('throttled', now)
  }

  /** wazo-auth's verdict on the token of the upgrade. */
  authenticated(verdict: Verdict, now: number): readonly Effect[] {
    if (this.phase !== 'authenticating') return NO_EFFECTS
    if (verdict.kind === 'valid')
      this.send({ op: 'init', version: this.version, resumeSeconds: this.resumeSeconds })
    else this.close(closeFor(verdict))
    return this.answered('authenticating', now)
  }

  /** The bus is live for the session and the index has it. */
  live(now: number): readonly Effect[] {
    if (this.phase !== 'starting') return NO_EFFECTS
    this.effect({ kind: 'started' })
    this.started = true
    return this.answered('starting', now)
  }

  /** wazo-auth's verdict on the token of the op `token` in flight. */
  renewal(verdict: Verdict, now: number): readonly Effect[] {
    if (this.phase !== 'renewing') return NO_EFFECTS
    if (verdict.kind === 'valid') {
      this.suspended = false
      this.effect({ kind: 'adopt', details: verdict.details })
    } else this.close(closeFor(verdict))
    return this.proceed(now)
  }

  /** The session is live for the identity that it adopted. */
  adopted(now: number): readonly Effect[] {
    if (this.phase !== 'adopting') return NO_EFFECTS
    for (const effect of reply({ op: 'token' }, this)) this.effect(effect)
    return this.answered('adopting', now)
  }

  /** The session's token was deleted. A renewal that is under way gets its verdict first (C3.10). */
  revoked(now: number): readonly Effect[] {
    if (this.phase === 'closed' || this.suspended) return NO_EFFECTS
    if (this.phase === 'renewing' || this.inbox.some(isRenewal)) {
      this.suspended = true
      this.effect({ kind: 'suspend' })
    } else this.close(AUTHENTICATION_EXPIRED)
    return this.proceed(now)
  }

  /** The deadline of a renewal, or of a suspension, has passed (C3.11). */
  deadline(now: number): readonly Effect[] {
    if (this.suspended || this.phase === 'renewing') this.close(TRY_AGAIN_LATER)
    return this.proceed(now)
  }

  /** The connection has ended the session; nothing has an effect any more. */
  end(): void {
    this.phase = 'closed'
    this.inbox.clear()
  }

  private answered(phase: Phase, now: number): readonly Effect[] {
    if (this.phase === phase) this.phase = 'open'
    return this.proceed(now)
  }

  /** Handles the frames that may be handled, in order, and returns the effects since the last time. */
  private proceed(now: number): readonly Effect[] {
    while (this.phase === 'open' && this.inbox.length > 0) {
      const delay = this.bucket.take(now)
      if (delay > 0) this.effect({ kind: 'wait', delay })
      else this.handle(this.inbox.shift() as Frame)
    }
    this.regulate()
    const effects = this.effects
    this.effects = NO_EFFECTS
    return effects
  }

  private effect(effect: Effect): void {
    if (this.effects === NO_EFFECTS) this.effects = [effect]
    else this.effects.push(effect)
    this.phase = PHASE_AFTER.get(effect.kind) ?? this.phase
    if (this.phase === 'closed') this.inbox.clear()
  }

  /** Stops reading while ops pile up, and reads on when all of them are done. */
  private regulate(): void {
    if (this.phase === 'closed') return
    if (!this.paused && (this.inbox.full || this.phase === 'throttled')) {
      this.paused = true
      this.effect({ kind: 'pause' })
    } else if (this.paused && this.inbox.length === 0) {
      this.paused = false
      this.effect({ kind: 'resume' })
    }
  }

  private handle(frame: Frame): void {
    const parsed = frame === null ? BINARY_FRAME : parseClientMessage(frame)
    const effects =
      'fault' in parsed ? refuse('unknown', protocolError(parsed.fault)) : runOp(parsed.ok, this)
    for (const effect of effects) this.effect(effect)
  }

  private send(message: ServerMessage): void {
    this.effect({ kind: 'send', message })
  }

  private close(close: Close): void {
    if (this.phase !== 'closed') this.effect({ kind: 'close', close })
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
