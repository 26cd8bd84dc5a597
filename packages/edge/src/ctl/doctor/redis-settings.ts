/** What the settings and the state of a Redis mean for this program. Pure. */
import { error, ok, warning, type Finding } from '../finding.js'

const CHECK = 'redis'
const MIB = 1024 * 1024
const CONNECTIONS_SHARE_MAX = 0.9
const PUBSUB_HARD_MIN = 32 * MIB
const PUBSUB_SOFT_MIN = 8 * MIB

/** Sections of INFO as one mapping. */
export type RedisInfo = ReadonlyMap<string, string>

/** CONFIG GET; null: the user may not ask. */
export type RedisSettings = ReadonlyMap<string, string> | null

export interface RedisNeeds {
  /** `redis.cluster` is set. */
  readonly clustered: boolean
  /** `redis.history_bytes` of all partitions. */
  readonly logBytes: number
}

export function parseInfo(text: string): RedisInfo {
  return new Map(
    text.split(/\r?\n/).flatMap((line) => {
      const at = line.indexOf(':')
      return line.startsWith('#') || at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const]
    }),
  )
}

/** Everything that can be said of one server. */
export function checkRedisSettings(
  info: RedisInfo,
  settings: RedisSettings,
  needs: RedisNeeds,
): readonly Finding[] {
  return [
    checkRedisVersion(info, needs),
    checkRole(info, needs),
    ...checkMemory(info, settings, needs),
    ...(settings === null
      ? [
          warning(
            CHECK,
            'its settings cannot be read: the user may not run CONFIG GET',
            'compare them with docs/layouts.md',
          ),
        ]
      : [checkBuffers(settings)]),
    checkPersistence(info, settings),
    ...checkClients(info),
  ]
}

function checkRedisVersion(info: RedisInfo, { clustered }: RedisNeeds): Finding {
  const version = info.get('redis_version') ?? ''
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const enough = clustered ? major >= 7 : major > 6 || (major === 6 && minor >= 2)
  return enough
    ? ok(CHECK, `version ${version}`)
    : error(
        CHECK,
        `version ${version}`,
        clustered ? 'a cluster needs Redis 7 or later' : 'Redis 6.2 or later is needed',
      )
}

function checkRole(info: RedisInfo, { clustered }: RedisNeeds): Finding {
  const mode = info.get('redis_mode')
  if (info.get('loading') === '1')
    return error(CHECK, 'it is loading its data and serves nobody yet', 'wait until it has started')
  if (info.get('role') !== 'master')
    return error(
      CHECK,
      'it is a replica and takes no writes',
      'let redis.url lead to the master, or set redis.sentinels',
    )
  if (mode === 'cluster' && !clustered)
    return error(CHECK, 'it is a node of a cluster', 'set redis.cluster to host:port of some of its nodes')
  return ok(CHECK, `a master${mode === 'cluster' ? ' of a cluster' : ''}`)
}

function checkMemory(info: RedisInfo, settings: RedisSettings, { logBytes }: RedisNeeds): readonly Finding[] {
  const policy = settings?.get('maxmemory-policy') ?? info.get('maxmemory_policy') ?? 'noeviction'
  const max = Number(settings?.get('maxmemory') ?? info.get('maxmemory') ?? 0)
  const used = Number(info.get('used_memory') ?? 0)
  const eviction = policy.startsWith('allkeys')
    ? error(
        CHECK,
        `maxmemory-policy ${policy} throws the log of events and the queue of expiries away when memory is short`,
        'CONFIG SET maxmemory-policy noeviction',
      )
    : policy === 'noeviction'
      ? ok(CHECK, 'maxmemory-policy noeviction')
      : warning(
          CHECK,
          `maxmemory-policy ${policy} throws tickets of sessions away when memory is short`,
          'CONFIG SET maxmemory-policy noeviction',
        )
  // The log may span twice what it should for a moment.
  const needed = 2 * logBytes
  if (max > 0 && max < needed)
    return [
      eviction,
      warning(
        CHECK,
        `maxmemory ${mib(max)}: the log alone may take ${mib(needed)} (redis.history_bytes, each partition, twice)`,
        'raise maxmemory, or lower redis.history_bytes',
      ),
    ]
  if (max > 0 && used > max * CONNECTIONS_SHARE_MAX)
    return [eviction, warning(CHECK, `${mib(used)} of maxmemory ${mib(max)} are in use`, 'raise maxmemory')]
  return [eviction, ok(CHECK, `maxmemory ${max === 0 ? 'has no limit' : mib(max)}, ${mib(used)} in use`)]
}

/** A worker that stands still for some seconds must not be cut off: it would have to read all of it from the log. */
function checkBuffers(settings: ReadonlyMap<string, string>): Finding {
  const [, hard = '0', soft = '0', seconds = '0'] =
    /pubsub (\d+) (\d+) (\d+)/.exec(settings.get('client-output-buffer-limit') ?? '') ?? []
  const small = (bytes: number, min: number): boolean => bytes > 0 && bytes < min
  const what = `client-output-buffer-limit pubsub ${hard} ${soft} ${seconds}`
  return small(Number(hard), PUBSUB_HARD_MIN) || small(Number(soft), PUBSUB_SOFT_MIN)
    ? warning(
        CHECK,
        `${what} cuts workers off that are behind for a moment`,
        `CONFIG SET client-output-buffer-limit "pubsub ${PUBSUB_HARD_MIN} ${PUBSUB_SOFT_MIN} 60", or more`,
      )
    : ok(CHECK, what)
}

function checkPersistence(info: RedisInfo, settings: RedisSettings): Finding {
  const failing = info.get('rdb_last_bgsave_status') === 'err' || info.get('aof_last_write_status') === 'err'
  if (failing)
    return error(
      CHECK,
      'it cannot write its data to disk, and by default refuses writes then (MISCONF)',
      'free its disk, or CONFIG SET stop-writes-on-bgsave-error no',
    )
  const aof = info.get('aof_enabled') === '1'
  if (aof && settings?.get('appendfsync') === 'always')
    return warning(
      CHECK,
      'appendfsync always: each batch of events waits for the disk',
      'CONFIG SET appendfsync everysec; what Redis loses is published again',
    )
  const save = settings?.get('save') ?? ''
  const how = [...(aof ? ['append-only file'] : []), ...(save === '' ? [] : ['snapshots'])]
  return ok(CHECK, `persistence: ${how.length === 0 ? 'none, which is enough' : how.join(', ')}`)
}

function checkClients(info: RedisInfo): readonly Finding[] {
  const [connected, max] = [Number(info.get('connected_clients')), Number(info.get('maxclients'))]
  return max > 0 && connected > max * CONNECTIONS_SHARE_MAX
    ? [warning(CHECK, `${connected} of ${max} connections are in use`, 'raise maxclients')]
    : []
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`
}
