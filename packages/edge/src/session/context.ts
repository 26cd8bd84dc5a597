import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Outbox } from '../deliver/outbox.js'
import type { ConnectionTable } from './connection-table.js'
import type { FeedContext } from './feed.js'
import type { SessionMetrics } from './metrics.js'
import type { SessionLimits } from './ops.js'
import type { Authenticator, TokenWatch } from './ports.js'
import type { SessionLog } from './session-log.js'

/** What all connections of a worker share. */
export interface SessionContext extends FeedContext {
  readonly authenticator: Authenticator
  readonly watch: TokenWatch
  readonly clock: Clock
  readonly metrics: SessionMetrics
  readonly sessionLog: Pick<SessionLog, 'ended' | 'refused'>
  readonly connections: ConnectionTable
  readonly outbox: Outbox
  readonly limits: SessionLimits
  /** Milliseconds within which a token renewal has its verdict. */
  readonly renewalDeadline: number
  /** So far back positions can be resumed from, in seconds, as clients are told (`redis.history`). */
  readonly resumeSeconds: number
  /** With more than this in its send buffer a session does not read on in the log. */
  readonly replayBufferBytes: number
  /** The master tenant's uuid, once known. */
  readonly masterTenant: () => string | undefined
  /** What keeps the worker from serving; empty when it can (`/readyz`). */
  readonly notReadyReasons: () => readonly string[]
}
