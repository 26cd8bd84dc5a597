import { AUTHENTICATION_EXPIRED, BUS_CONNECTION_LOST, type Close } from '@wazo-websocketd/shared/domain/close'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type {
  Identity,
  Offset,
  TokenDetails,
  TokenId,
  Verdict,
} from '@wazo-websocketd/shared/domain/identity'
import type { ProtocolVersion, ServerMessage } from '@wazo-websocketd/shared/domain/protocol'
import type { Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { Entry } from '../route/index-entry.js'
import type { Subscriptions } from '../route/recipient.js'
import { Alarm } from './one-shot-timer.js'
import { Credentials } from './credentials.js'
import { EffectQueue, type Performer } from './effect-queue.js'
import { judge } from './admission.js'
import { Membership, type Participant, type Standing } from './feed.js'
import { commonFrame, frameOf } from '../deliver/control-frames.js'
import type { Sink } from '../deliver/outbox.js'
import type { Passage } from '../handover/session-snapshot.js'
import type { ClientSocket, ExpirySource, Positions, SocketListener, TokenHolder } from './ports.js'
import { Resumption } from '../drain/redemption.js'
import type { Member } from './connection-table.js'
import { Session, type Effect } from './session.js'
import type { Surroundings } from './context.js'

/**
 * A deletion travels in every partition: so long a session waits for it in the others, to be given there what was
 * published before. What was published after it is left out from the first moment.
 */
const FAREWELL_MS = 1_000

/** What the upgrade has told of a connection, here or at another worker. */
export interface Opening {
  readonly version: ProtocolVersion
  readonly token: TokenId
  readonly address: string
  /** Set: it comes from another worker, as this. */
  readonly passage?: Passage
}

/** One accepted connection: carries out what the session core decides, and gives everything back at its end. */
export class Connection implements SocketListener, Sink, Member, Participant, TokenHolder, Performer {
  // First, and so next to each other in memory, what a delivery needs.
  private released = false
  private readonly membership: Membership
  private readonly around: Surroundings
  readonly version: ProtocolVersion
  readonly socket: ClientSocket
  turn = 0
  place = 0
  entry: Entry | null = null
  readonly address: string
  private readonly session: Session
  private readonly credentials: Credentials
  private readonly effects = new EffectQueue(this)
  /** Most sessions never need one. */
  private rate: Alarm | null = null
  private deadline: Alarm | null = null
  private farewell: Timer | null = null
  private endCode: number | null = null

  constructor(around: Surroundings, socket: ClientSocket, opening: Opening) {
    const { clock } = around
    this.around = around
    this.socket = socket
    this.version = opening.version
    this.address = opening.address
    this.session = new Session(opening.version, around.limits, clock.monotonic())
    this.credentials = new Credentials(around, this, opening.token)
    const resumes = around.tickets !== null && opening.passage === undefined
    const resumption = resumes ? new Resumption(around.tickets, around.metrics, this) : null
    this.membership = new Membership(around, this, resumption)
  }

  get token(): TokenId {
    return this.credentials.token
  }

  get owner(): Identity | null {
    return this.credentials.identity
  }

  /** As `owner`; only a session with an identity is ever routed to. */
  get identity(): Identity {
    return this.credentials.identity as Identity
  }

  get subscriptions(): Subscriptions {
    return this.session.subscriptions
  }

  get ending(): boolean {
    return this.released
  }

  /** Enters the roster and asks wazo-auth about the token. */
  open(): void {
    this.around.roster.enter(this)
    this.around.metrics.opened(this.version)
    this.lookup(this.token, (verdict) => {
      if (verdict.kind === 'valid') this.credentials.adopt(verdict.details)
      if (!this.released) this.effects.run(this.session.authenticated(verdict, this.now()))
    })
  }

  /** Enters the roster as the session that it was at another worker: the client is told nothing. */
  continue({ details, subscriptions, positions }: Passage): void {
    const { roster, metrics } = this.around
    roster.enter(this)
    metrics.moved(this.version, 'here')
    metrics.subscriptions(subscriptions.length)
    this.session.continue(subscriptions, positions !== null)
    this.credentials.adopt(details)
    if (positions !== null && !this.ending) this.membership.takeOver(positions)
    else if (roster.isRevoked(details.sessionUuid)) this.revoke('bus')
    else this.recheck()
  }

  /**
   * One that has not started does not read the log, where others meet a deletion. The worker it comes from may not have
   * heard of one yet that was published before this worker first listened.
   */
  private recheck(): void {
    const { token } = this
    this.lookup(token, ({ kind }) => {
      if (kind === 'invalid' && token === this.token) this.revoke('bus')
    })
  }

  /**
   * Stands still, to go on at another worker as what is returned; null while something is under way. After it either
   * `passed` or `remain`. Everything that it has to write is written.
   */
  pass(): Passage | null {
    const { details } = this.credentials
    if (this.released || !this.session.idle || this.farewell !== null || details === null) return null
    const standing = this.session.started ? this.membership.depart() : null
    if (standing === 'unsettled' || standing === 'nowhere') return null
    this.around.outbox.flushSink(this)
    const { version, address } = this
    return { version, address, details, subscriptions: [...this.subscriptions], positions: standing }
  }

  /** It goes on at another worker: here it ends, and nobody is told. */
  passed(): void {
    this.release()
    this.around.roster.leave(this)
    this.around.metrics.moved(this.version, 'away')
  }

  text(text: string): void {
    this.effects.run(this.session.frame(text, this.now()))
  }

  binary(): void {
    this.effects.run(this.session.frame(null, this.now()))
  }

  closed(code: number): void {
    this.release()
    this.around.roster.leave(this)
    this.around.metrics.closed(this.version, this.endCode ?? code)
  }

  /** A live event. One of a partition whose log the session still reads will come from there. */
  deliver(event: BusEvent): void {
    if (!this.released && !this.membership.isBehind(event)) this.around.outbox.deliver(this, event)
  }

  replay(event: BusEvent): void {
    if (!this.released) this.around.outbox.deliver(this, event)
  }

  lost(): void {
    this.end(BUS_CONNECTION_LOST)
  }

  congested(): boolean {
    return this.socket.bufferedBytes > this.around.replayBufferBytes || this.socket.crowded
  }

  /** Stands still to leave, or says that it cannot yet (`Membership.depart`). */
  depart(): Standing {
    return this.released ? 'nowhere' : this.membership.depart()
  }

  /** Where a session that departs stands; null when it has no place any more. */
  get standing(): Positions | null {
    return this.membership.standing
  }

  /** Receives what lies up to where it is to leave. */
  readTo(targets: Positions, arrived: () => void): void {
    this.membership.readTo(targets, arrived)
  }

  /** Receives nothing more while it departs. */
  stand(): void {
    this.membership.stand()
  }

  /** Does not leave after all. */
  remain(): void {
    this.membership.remain()
  }

  /** Takes the session out of the live stream ahead of its end. */
  sever(): void {
    this.membership.leave()
  }

  revoked(partition: number, offset: Offset): void {
    if (this.released) return
    if (this.membership.halt(partition, offset)) this.revoke('bus')
    else this.farewell ??= this.around.clock.after(FAREWELL_MS, () => this.revoke('bus'))
  }

  ended(source: ExpirySource, why: 'expired' | 'refused' = 'expired'): void {
    if (this.released) return
    if (why === 'refused') {
      this.revoke(source)
      return
    }
    this.around.metrics.expired(source)
    this.end(AUTHENTICATION_EXPIRED)
  }

  renewed(details: TokenDetails): void {
    if (this.released || this.owner === null) return
    this.credentials.identify(details)
    this.membership.identified(false, () => undefined)
  }

  /** Ends the session for a reason outside of it; idempotent. */
  end(close: Close): void {
    if (this.released) return
    this.endCode = close.code
    this.release()
    this.socket.close(close)
  }

  private now(): number {
    return this.around.clock.monotonic()
  }

  private lookup(token: TokenId, answer: (verdict: Verdict) => void): void {
    void this.around.authenticator.lookup(token).then((verdict) => {
      if (!this.released) answer(judge(verdict, this, token, this.around))
    })
  }

  private revoke(source: ExpirySource): void {
    if (this.released) return
    const effects = this.session.revoked(this.now())
    // Suspended in the very tick: the next event of the batch must not get through.
    if (effects.some(({ kind }) => kind === 'suspend')) this.membership.suspend()
    this.effects.run(effects)
    if (this.endCode === AUTHENTICATION_EXPIRED.code) this.around.metrics.expired(source)
  }

  carryOut(effect: Effect): void {
    if (this.released) return
    switch (effect.kind) {
      case 'send':
        this.send(effect.message)
        break
      case 'close':
        this.end(effect.close)
        break
      case 'subscribed':
        this.around.metrics.subscriptions(1)
        this.membership.subscribed(effect.name)
        break
      case 'start':
        this.membership.join(() => this.effects.run(this.session.live(this.now())))
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
        this.rate ??= new Alarm(this.around.clock, () => this.effects.run(this.session.tick(this.now())))
        this.rate.set(effect.delay)
        break
      case 'op':
        this.around.metrics.op(effect.op, effect.result)
    }
  }

  private renew(token: TokenId): void {
    this.setDeadline()
    this.lookup(token, (verdict) => this.effects.run(this.session.renewal(verdict, this.now())))
  }

  private setDeadline(): void {
    const { clock, renewalDeadline } = this.around
    this.deadline ??= new Alarm(clock, () => this.effects.run(this.session.deadline(this.now())))
    this.deadline.set(renewalDeadline)
  }

  private send(message: ServerMessage): void {
    const common = commonFrame(message)
    if (common !== null) this.around.outbox.share(this, common)
    else this.around.outbox.send(this, frameOf(message))
  }

  /** A renewal succeeded: token, identity and ACL change at once. */
  private adopt(details: TokenDetails): void {
    this.deadline?.cancel()
    this.farewell?.cancel()
    this.farewell = null
    this.credentials.adopt(details)
    this.membership.identified(true, () => this.effects.run(this.session.adopted(this.now())))
  }

  /** Gives everything back but the place in the roster, which the socket keeps until it is gone. */
  private release(): void {
    if (this.released) return
    this.released = true
    this.session.end()
    this.rate?.cancel()
    this.deadline?.cancel()
    this.farewell?.cancel()
    this.membership.leave()
    this.credentials.release()
    this.around.metrics.subscriptions(-this.session.subscriptions.size)
    this.around.outbox.flushSink(this)
  }
}
