/** What the commands ask, as the configuration leads there. */
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { authTryMs, authUrl } from '@wazo-websocketd/shared/config/derived'
import type { ConfigReading, ConfigSources } from '@wazo-websocketd/shared/config/load'
import type { Outage } from '@wazo-websocketd/shared/runtime/outage-log'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { readClientTls } from '@wazo-websocketd/shared/runtime/tls'
import { AuthClock } from '../auth/auth-clock.js'
import { AuthClient, type ServiceCredentials } from '../auth/client.js'
import { authMetrics } from '../auth/metrics.js'
import type { AdminPlace } from './admin-client.js'
import { openRedis, type RedisAccess } from './redis-access.js'

const REDIS_MS_MAX = 3_000

export interface ToolContext {
  readonly sources: Omit<ConfigSources, 'program'>
  readonly reading: ConfigReading
  readonly edge: AdminPlace
  readonly ingest: AdminPlace
  /** Opened at the first call, shared by all; `close` ends it. @throws Error in one line */
  redis(): Promise<RedisAccess>
  /** Made at the first call, shared by all. @throws StartupError when a file of certificates cannot be read */
  auth(): AuthAccess
  close(): Promise<void>
}

/** wazo-auth, and its clock. */
export interface AuthAccess {
  readonly url: string
  readonly client: AuthClient
  readonly clock: AuthClock
  /** null: there are none. */
  readonly credentials: ServiceCredentials | null
}

/** @param socket over `admin.socket`; null: not given */
export function toolContext(
  sources: Omit<ConfigSources, 'program'>,
  reading: ConfigReading,
  socket: string | null,
): ToolContext {
  const { admin, metrics, redis } = reading.config
  let auth: AuthAccess | null = null
  let opened: Promise<RedisAccess> | null = null
  const { url, cluster, sentinels, sentinel_name: sentinelName } = redis
  const open = async (): Promise<RedisAccess> =>
    openRedis({ url, cluster, sentinels, sentinelName }, readClientTls('redis.tls', redis.tls), REDIS_MS_MAX)
  return {
    sources,
    reading,
    edge: {
      program: 'the edge',
      socket: socket ?? admin.socket,
      // Who names a socket means the program there.
      listen: socket === null ? { host: metrics.listen, port: metrics.edge_port } : null,
    },
    ingest: {
      program: 'the ingest',
      socket: null,
      listen: { host: metrics.listen, port: metrics.ingest_port },
    },
    redis: () => (opened ??= open()),
    auth: () => (auth ??= authAccess(reading.config)),
    async close() {
      await opened?.then((access) => access.close()).catch(() => undefined)
      await auth?.client.close()
    },
  }
}

/** The tool tells of each failure itself. */
const UNTOLD: Outage = { fails: () => undefined, recovers: () => undefined, remark: () => undefined }

function authAccess(config: ConfigReading['config']): AuthAccess {
  const { auth, bus, limits } = config
  const clock = new AuthClock(systemClock)
  const url = authUrl(auth)
  const { username, password } = auth
  return {
    url,
    clock,
    credentials: username === null || password === null ? null : { username, password },
    client: new AuthClient({
      url,
      verifyCertificate: auth.verify_certificate,
      tryMs: authTryMs(config),
      connectionsMax: 2,
      aclLimits: { patternsMax: limits.acl_patterns_per_token, patternBytesMax: limits.acl_pattern_bytes },
      tenantless: bus.access_scope === 'acl',
      intern: (details) => details,
      clock: systemClock,
      offset: clock.offset,
      metrics: authMetrics(new Metrics({ defaults: false })),
      outage: UNTOLD,
    }),
  }
}
