/** What all parts of a worker share, and what is made before any of them. */
import { redisDatabase } from '@wazo-websocketd/shared/redis/url'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { LineLog } from '@wazo-websocketd/shared/runtime/line-log'
import type { Log, Logger } from '@wazo-websocketd/shared/runtime/logger'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { hashTag, hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { connectionRoom, type ConnectionRoom } from '../config/connection-room.js'
import type { WorkerConfig } from '../config/worker-config.js'
import { FrameBytes } from '../deliver/frame.js'
import type { WorkerAssignment } from '../process/messages.js'
import { logMetrics } from '../process/metrics.js'
import { openFilesMax } from '../process/open-files.js'
import { workerMetrics, type WorkerMetrics } from '../prometheus.js'
import { SubscriptionIndex } from '../route/subscription-index.js'
import { SessionLog } from '../session/session-log.js'

export interface WorkerContext {
  readonly setup: WorkerConfig
  readonly place: WorkerAssignment
  readonly clock: Clock
  readonly log: Logger
  /** For what all workers of the host meet: the primary writes it once. */
  readonly hostLog: LineLog
  readonly sessionLog: SessionLog
  readonly metrics: Metrics
  readonly counts: WorkerMetrics
  /** Number of the database in Redis. */
  readonly database: number
  readonly room: ConnectionRoom
  readonly index: SubscriptionIndex
  readonly frameBytes: FrameBytes
}

/** Makes the context of the worker at `place`; warns when fewer connections fit into its open files than are wanted. */
export function workerContext(
  setup: WorkerConfig,
  place: WorkerAssignment,
  { logger: log, droppedLines, hostLog }: Log & { readonly hostLog: LineLog },
  clock: Clock,
): WorkerContext {
  const metrics = new Metrics({ worker: `${place.slot}` })
  const counts = workerMetrics(metrics, `${place.slot}`)
  logMetrics(metrics, droppedLines)
  const sessionLog = new SessionLog({
    sessions: setup.config.log_sessions,
    tagOf: (token) => hashTag(hashToken(token)),
    clock,
    log,
    hostLog,
  })
  return {
    ...{ setup, place, clock, log, hostLog, sessionLog, metrics, counts },
    database: redisDatabase(setup.config.redis.url),
    room: fitConnections(setup, log),
    index: new SubscriptionIndex(),
    frameBytes: new FrameBytes(),
  }
}

function fitConnections({ config }: WorkerConfig, log: Logger): ConnectionRoom {
  const { connections_per_worker: wanted } = config.limits
  const filesMax = openFilesMax()
  const room = connectionRoom(wanted, filesMax)
  if (room.connections < wanted)
    log.warn(
      { openFilesMax: filesMax, connections: room.connections },
      `limits.connections_per_worker: ${wanted} do not fit into the open files of a process (LimitNOFILE)`,
    )
  return room
}
