/** What a worker authenticates by, and its share in the cluster's timer of token expiry. */
import { Auth } from '../auth/auth.js'
import { ExpiryWorker } from '../auth/expiry/queue-worker.js'
import type { TenantSharing } from '../auth/master-tenant.js'
import type { WorkerContext } from './context.js'
import type { WorkerRedis } from './redis.js'

/**
 * @param sharing by which the workers of a host share the master tenant
 * @param masterTenantChanged called when it has become known, or is another one
 */
export function workerAuth(
  { setup, clock, log, hostLog, counts, sessionLog, index }: WorkerContext,
  redis: WorkerRedis,
  sharing: TenantSharing,
  masterTenantChanged: () => void,
): Auth {
  return new Auth({
    config: setup.config,
    workers: setup.workers,
    redis: redis.expiry,
    clock,
    logger: log,
    hostLog,
    metrics: counts.auth,
    sharing,
    clients: sessionLog.unserved,
    intern: index.intern,
    masterTenantChanged,
  })
}

/** The timer's jobs are due by wazo-auth's time, as `auth` knows it. */
export function expiryWorker(
  { setup, database, clock, log, counts }: WorkerContext,
  redis: WorkerRedis,
  auth: Auth,
): ExpiryWorker {
  return new ExpiryWorker({
    client: redis.timers,
    prefix: setup.config.redis.prefix,
    database,
    clock,
    authTime: auth.clock.now,
    logger: log,
    metrics: counts.auth,
  })
}
