import {
  AUTHENTICATION_EXPIRED,
  because,
  BUS_CONNECTION_LOST,
  type Close,
} from '@wazo-websocketd/shared/domain/close'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Identity, TokenDetails, TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { ProtocolVersion, ServerMessage } from '@wazo-websocketd/shared/domain/protocol'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { Timer } from '@wazo-websocketd/shared/runtime/clock'
import { controlFrame, sharedControlFrame } from '../deliver/control-frames.js'
import type { EventPositions, FrameTarget } from '../deliver/outbox.js'
import { Redemption } from '../drain/redemption.js'
import type { Tickets } from '../drain/tickets.js'
import type { SessionPast, SessionSnapshot } from '../handover/session-snapshot.js'
import type { IndexEntry } from '../route/index-entry.js'
import type { Recipient, Subscriptions } from '../route/recipient.js'
import { admitVerdict } from './admission.js'
import type { SessionContext } from './context.js'
import { Credentials } from './credentials.js'
import { EffectQueue, type Effect } from './effects.js'
import { Feed } from './feed.js'
import { StartingPoint } from './starting-point.js'
import type {
  ClientSocket,
  ExpirySource,
  LookupPriority,
  TokenLookup,
  SocketListener,
  TokenHolder,
} from './ports.js'
import { ResumptionRequest } from './resumption.js'
import { Session } from './session.js'

/**
 * The deletion of a token travels in every partition. So long a session waits for it in the others, to be given there
 * what was published before; what was published after is left out from the first moment.
 */
const REVOCATION_GRACE_MS = 1_000

/** What the upgrade told of a connection, here or at another worker. */
export interface ConnectionOrigin {
  readonly version: ProtocolVersion
  readonly token: TokenId
  readonly address: string
  /** The position that the client presents, empty for none; null: its events carry no positions. */
  readonly resume: string | null
  /** What an earlier worker has counted; absent: the session begins here. */
  readonly past?: SessionPast
}

/**
 * One accepted connection: performs what the session core decides. It owns the end of the session: `release` closes
 * core, feed and credentials, once.
 */
export class Connection implements SocketListener, FrameTarget, Recipient, TokenHolder {
  // First, and so next to each other in memory, what a delivery reads.
  /** Whether the session is over and has given everything back; its socket may still be closing. */
  ending = false
  readonly feed: Feed
  /** Events queued for the client since the beginning of the session. */
  events: number
  private readonly context: SessionContext
  readonly version: ProtocolVersion
  readonly positions: EventPositions | null
  readonly socket: ClientSocket
  /** Written by the outbox alone. */
  flushId = 0
  flushIndex = 0
  /** Written by the subscription index alone. */
  entry: IndexEntry | null = null
  readonly address: string
  private readonly resume: string | null
  /** Milliseconds of Unix time. */
  readonly openedAt: number
  private readonly session: Session
  private readonly credentials: Credentials
  private readonly effects = new EffectQueue(this)
  /** The last one to wazo-auth, until it is answered. */
  private tokenLookup: TokenLookup | null = null
  private rateLimit: Timer | null = null
  private renewalDeadline: Timer | null = null
  private revocationGrace: Timer | null = null
  /** With what this side closes; null: it has not. */
  private endClose: Close | null = null

  /** @param tickets null: the session does not resume an earlier one. */
  constructor(
    context: SessionContext,
    socket: ClientSocket,
    { version, token, address, resume, past }: ConnectionOrigin,
    tickets: Tickets | null,
  ) {
    this.context = context
    this.socket = socket
    this.version = version
    this.address = address
    this.openedAt = past?.openedAt ?? context.clock.now()
    this.events = past?.events ?? 0
    this.resume = resume
    const resumeSeconds = resume === null ? null : context.resumeSeconds
    this.session = new Session(version, context.limits, context.clock.monotonic(), resumeSeconds)
    this.credentials = new Credentials(context, this, token)
    const redemption = tickets === null ? null : new Redemption(tickets, context.metrics, this)
    const request = resume === null ? null : new ResumptionRequest(resume)
    this.feed = new Feed(context, this, new StartingPoint(redemption, request))
    this.positions = resume === null ? null : this.feed
  }

  get token(): TokenId {
    return this.credentials.token
  }

  /** Who wazo-auth says the session is; null until then. */
  get owner(): Identity | null {
    return this.credentials.identity
  }

  /** The same, for those who only meet sessions that have one: routing and the feed. */
  get identity(): Identity {
    return this.credentials.identity as Identity
  }

  /** Whether its client has had the reply to `start`. */
  get started(): boolean {
    return this.session.started
  }

  get subscriptions(): Subscriptions {
    return this.session.subscriptions
  }

  /** Seconds since it was opened, here or at another worker. */
  get age(): number {
    return Math.max(0, Math.round((this.context.clock.now() - this.openedAt) / 1000))
  }

  /** Enters the table of connections and asks wazo-auth about the token. */
  open(): void {
    this.context.connections.add(this)
    this.context.metrics.opened(this.version)
    this.lookup(this.token, 'connect', (verdict) => {
      if (verdict.kind === 'valid') this.credentials.adopt(verdict.details)
      if (!this.ending) this.effects.run(this.session.authenticated(verdict, this.now()))
    })
  }

  /** Goes on as the session that it was at another worker; its client does not notice. */
  restore({ details, subscriptions, positions }: SessionSnapshot): void {
    const { connections, metrics } = this.context
    connections.add(this)
    metrics.moved(this.version, 'here')
    metrics.subscriptions(subscriptions.length)
    this.session.restore(subscriptions, positions !== null)
    this.credentials.adopt(details)
    if (this.ending) return
    if (positions !== null) this.feed.resumeAt(positions)
    else if (connections.isRevoked(details.sessionUuid)) this.revoke('bus')
    else this.recheck()
  }

  /**
   * Asks wazo-auth again about a session that has not started, and so does not read the log, where others meet a
   * deletion of their token. The worker it comes from may not have heard of one that was published before this worker
   * first listened.
   */
  private recheck(): void {
    const { token } = this
    this.lookup(token, 'session', ({ kind }) => {
      if (kind === 'invalid' && token === this.token) this.revoke('bus')
    })
  }

  /**
   * Freezes the session and returns what another worker needs to go on with it; null while something is under way.
   * Everything that it had to write is written. After it either `handedOver` or `feed.unfreeze`.
   */
  snapshot(): SessionSnapshot | null {
    const { details } = this.credentials
    if (this.ending || !this.session.idle || this.revocationGrace !== null || details === null) return null
    const frozenAt = this.session.started ? this.feed.freeze() : null
    if (frozenAt === 'unsettled' || frozenAt === 'nowhere') return null
    this.context.outbox.flushTarget(this)
    const { version, address, resume, openedAt, events } = this
    const past = { openedAt, events }
    const subscriptions = [...this.subscriptions]
    return { version, address, resume, details, subscriptions, positions: frozenAt, past }
  }

  /** Ends the session here without a close frame, because it goes on at another worker. */
  handedOver(): void {
    this.release()
    this.context.connections.remove(this)
    this.context.metrics.moved(this.version, 'away')
  }

  text(text: string): void {
    this.effects.run(this.session.frame(text, this.now()))
  }

  binary(): void {
    this.effects.run(this.session.frame(null, this.now()))
  }

  closed(code: number): void {
    this.release()
    this.context.connections.remove(this)
    this.context.metrics.closed(this.version, this.endClose?.code ?? code)
    this.context.sessionLog.ended(this, this.endClose, code)
  }

  /** Queues a live event, unless the session still reads the log of its partition: then it comes from there. */
  deliver(event: BusEvent): void {
    if (this.ending || this.feed.isLagging(event)) return
    this.events++
    this.context.outbox.deliver(this, event)
  }

  /** Queues an event that the session missed and read from the log. */
  replay(event: BusEvent): void {
    if (this.ending) return
    this.events++
    this.context.outbox.deliver(this, event)
  }

  /** Ends the session: what it missed can no longer be read, or may be more than it knows of. `why` goes to the log. */
  lost(why: string): void {
    this.end(because(BUS_CONNECTION_LOST, why))
  }

  /** Whether its client has not yet taken what it was given, so that the session should not read on in the log. */
  congested(): boolean {
    return this.socket.bufferedBytes > this.context.replayBufferBytes || this.socket.nearlyFull
  }

  /** The token was deleted at `offset`; of `partition` everything up to there has been delivered. */
  revoked(partition: number, offset: Offset): void {
    if (this.ending) return
    if (this.feed.stopAt(partition, offset)) this.revoke('bus')
    else this.revocationGrace ??= this.context.clock.after(REVOCATION_GRACE_MS, () => this.revoke('bus'))
  }

  ended(source: ExpirySource, why: 'expired' | 'refused' = 'expired'): void {
    if (this.ending) return
    if (why === 'refused') {
      this.revoke(source)
      return
    }
    this.context.metrics.expired(source)
    this.end(AUTHENTICATION_EXPIRED)
  }

  renewed(details: TokenDetails): void {
    if (this.ending || this.owner === null) return
    this.credentials.identify(details)
    this.feed.identityReplaced(false, () => undefined)
  }

  /** Ends the session for a reason outside of it; idempotent. */
  end(close: Close): void {
    if (this.ending) return
    this.endClose = close
    this.release()
    this.socket.close(close)
  }

  private now(): number {
    return this.context.clock.monotonic()
  }

  private lookup(token: TokenId, priority: LookupPriority, answer: (verdict: Verdict) => void): void {
    const lookup = this.context.authenticator.lookup(token, priority, this.address)
    this.tokenLookup = lookup
    void lookup.answer.then((verdict) => {
      if (this.tokenLookup === lookup) this.tokenLookup = null
      if (!this.ending) answer(admitVerdict(verdict, this, token, this.context))
    })
  }

  private revoke(source: ExpirySource): void {
    if (this.ending) return
    const effects = this.session.revoked(this.now())
    // Suspended in the very tick: the next event of the batch must not get through.
    if (effects.some(({ kind }) => kind === 'suspend')) this.feed.suspend()
    this.effects.run(effects)
    if (this.endClose === AUTHENTICATION_EXPIRED) this.context.metrics.expired(source)
  }

  perform(effect: Effect): void {
    if (this.ending) return
    switch (effect.kind) {
      case 'send':
        this.send(effect.message)
        break
      case 'close':
        this.end(effect.close)
        break
      case 'subscription':
        this.context.metrics.subscriptions(effect.change)
        this.context.index.subscriptionChanged(this, effect.name)
        break
      case 'started':
        this.confirmStart()
        break
      case 'start':
        this.feed.join(() => this.effects.run(this.session.live(this.now())))
        break
      case 'renew':
        this.renew(effect.token)
        break
      case 'adopt':
        this.adopt(effect.details)
        break
      case 'suspend':
        this.setDeadline()
        break
      case 'pause':
        this.socket.pause()
        break
      case 'resume':
        this.socket.resume()
        break
      case 'wait':
        this.rateLimit = this.context.clock.after(effect.delay, () =>
          this.effects.run(this.session.tick(this.now())),
        )
        break
      case 'op':
        this.context.metrics.op(effect.op, effect.result)
    }
  }

  private confirmStart(): void {
    if (this.resume === null) this.send({ op: 'start', resumption: null })
    else {
      const { decided, resumption } = this.feed.takeResumption()
      if (decided) this.context.metrics.resumption(resumption.resumed ? 'resumed' : resumption.why)
      this.send({ op: 'start', resumption })
    }
  }

  private renew(token: TokenId): void {
    this.setDeadline()
    this.lookup(token, 'session', (verdict) => this.effects.run(this.session.renewal(verdict, this.now())))
  }

  private setDeadline(): void {
    const { clock, renewalDeadline } = this.context
    this.renewalDeadline ??= clock.after(renewalDeadline, () =>
      this.effects.run(this.session.deadline(this.now())),
    )
  }

  private send(message: ServerMessage): void {
    const common = sharedControlFrame(message)
    if (common !== null) this.context.outbox.sendShared(this, common)
    else this.context.outbox.send(this, controlFrame(message))
  }

  /** Replaces token, identity and ACL at once, after a renewal. */
  private adopt(details: TokenDetails): void {
    this.renewalDeadline?.cancel()
    this.renewalDeadline = null
    this.revocationGrace?.cancel()
    this.revocationGrace = null
    this.credentials.adopt(details)
    this.feed.identityReplaced(true, () => this.effects.run(this.session.adopted(this.now())))
  }

  /**
   * Gives everything back but the entry in the table of connections, which lasts until the socket is gone. The core
   * comes first, so that nothing that follows has an effect; the outbox last, so that everything due is written before
   * the close frame.
   */
  private release(): void {
    if (this.ending) return
    this.ending = true
    this.session.end()
    this.tokenLookup?.withdraw()
    this.rateLimit?.cancel()
    this.renewalDeadline?.cancel()
    this.revocationGrace?.cancel()
    this.feed.close()
    this.credentials.release()
    this.context.metrics.subscriptions(-this.session.subscriptions.size)
    this.context.outbox.flushTarget(this)
  }
}
