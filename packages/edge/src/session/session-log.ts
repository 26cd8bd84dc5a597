import { BUS_CONNECTION_LOST, TRY_AGAIN_LATER, type Close } from '@wazo-websocketd/shared/domain/close'
import type { Identity, TokenId } from '@wazo-websocketd/shared/domain/identity'
import type { ProtocolVersion } from '@wazo-websocketd/shared/domain/protocol'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { LineLog } from '@wazo-websocketd/shared/runtime/line-log'
import type { Logger } from 'pino'
import type { RejectReason } from './metrics.js'
import { RefusalLog } from './refusal-log.js'

/** Lines of sessions that end, of one worker; what is above is counted and told once. */
const LINES_PER_SECOND = 50
const WINDOW_MS = 1_000

/** What this side did not say, by the code with which the connection ended. */
const OTHER_ENDS: ReadonlyMap<number, string> = new Map([
  [1006, 'connection lost'],
  [1008, 'flood of frames'],
  [1013, 'slow consumer'],
])

/** Behind it a reason repeats what the client has written, which may be a token. */
const QUOTED = /^(unknown op): .*/s

export interface SessionLogOptions {
  /** Whether each session that ends has a line (`log_sessions`). */
  readonly sessions: boolean
  /** What stands for a token in the log. */
  readonly tagOf: (token: TokenId) => string
  readonly clock: Clock
  readonly log: Pick<Logger, 'info' | 'isLevelEnabled'>
  /** For what all workers of the host say alike. */
  readonly hostLog: Pick<LineLog, 'info'>
}

/** A session that has ended, as far as the log tells. */
export interface EndedSession {
  /** Null: wazo-auth has not let it in. */
  readonly owner: Identity | null
  readonly token: TokenId
  readonly address: string
  readonly version: ProtocolVersion
  /** Seconds. */
  readonly age: number
  /** Events queued for its client. */
  readonly events: number
}

/**
 * Writes one line for each session that ends, at a bounded rate, and one in ten seconds for clients that are turned
 * away.
 */
export class SessionLog {
  private readonly options: SessionLogOptions
  private readonly refusals: RefusalLog
  private windowEndsAt = -Infinity
  private lines = 0
  private leftOut = 0
  private summary: Timer | null = null
  private unservedClients = 0

  constructor(options: SessionLogOptions) {
    this.options = options
    this.refusals = new RefusalLog({ clock: options.clock, log: options.hostLog })
  }

  /** Clients that were closed or turned away, in all, because something that the service needs was away. */
  readonly unserved = (): number => this.unservedClients

  /** A client was turned away at its handshake. */
  refused(reason: RejectReason): void {
    if (reason === 'not-ready') this.unservedClients++
    this.refusals.add(reason)
  }

  /** @param close with which this side ended the session; null: it has not. @param code with which the connection ended. */
  ended(session: EndedSession, close: Close | null, code: number): void {
    if (close?.code === BUS_CONNECTION_LOST.code || close === TRY_AGAIN_LATER) this.unservedClients++
    if (session.owner === null) {
      if (close !== null) this.refusals.add(loggable(close))
      return
    }
    const { sessions, log, tagOf } = this.options
    if (!sessions || !log.isLevelEnabled('info') || !this.allow()) return
    const { owner, token, address, version, age, events } = session
    log.info(
      {
        code: close?.code ?? code,
        reason: close === null ? (OTHER_ENDS.get(code) ?? 'closed by the client') : loggable(close),
        ...(close?.cause === undefined ? {} : { why: close.cause }),
        user: owner.userUuid,
        tenant: owner.tenantUuid,
        address,
        seconds: age,
        events,
        tokenHash: tagOf(token),
        version,
      },
      'session ended',
    )
  }

  /** Logs what it still counts. */
  close(): void {
    this.summarise()
    this.refusals.close()
  }

  private allow(): boolean {
    const { clock } = this.options
    const now = clock.monotonic()
    if (now >= this.windowEndsAt) {
      this.windowEndsAt = now + WINDOW_MS
      this.lines = 0
    }
    if (this.lines < LINES_PER_SECOND) {
      this.lines++
      return true
    }
    this.leftOut++
    // Once a mass of sessions has gone, rather than in each second of it.
    this.summary ??= clock.after(10 * WINDOW_MS, () => this.summarise())
    return false
  }

  private summarise(): void {
    const { leftOut } = this
    this.summary?.cancel()
    this.summary = null
    this.leftOut = 0
    if (leftOut > 0) this.options.log.info({ sessions: leftOut }, 'more sessions ended, without a line each')
  }
}

function loggable({ reason }: Close): string {
  return reason.replace(QUOTED, '$1')
}
