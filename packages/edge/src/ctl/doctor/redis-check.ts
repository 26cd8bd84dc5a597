/** Redis as the programs meet it: the servers, and the numbering of events in them. */
import { mastersOf } from '@wazo-websocketd/shared/redis/client'
import { isKnownForm, keys, META, unknownForm } from '@wazo-websocketd/shared/redis/layout'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { sleep } from '@wazo-websocketd/shared/runtime/sleep'
import { error, ok, warning, type Finding } from '../finding.js'
import type { RedisAccess } from '../redis-access.js'
import { checkRedisSettings, parseInfo, type RedisNeeds, type RedisSettings } from './redis-settings.js'

const CHECK = 'redis'

/** One server of Redis. */
type Server = ReturnType<typeof mastersOf>[number]
const SETTINGS = ['maxmemory', 'maxmemory-policy', 'client-output-buffer-limit', 'save', 'appendfsync']
const CLOCK_MS_MAX = 2_000
/** An ingest that is up moves the head each second. */
const HEAD_MS = 2_500
const POLL_MS = 100

export interface RedisCheckOptions extends RedisNeeds {
  readonly prefix: string
  readonly partitions: number
  readonly stream: string
}

export async function checkRedis(
  access: RedisAccess,
  options: RedisCheckOptions,
): Promise<readonly Finding[]> {
  const { client } = access
  const servers = mastersOf(client)
  const each = await Promise.all(servers.map((server) => checkServer(server, options)))
  return [
    ...each.flatMap((findings, at) =>
      servers.length === 1 ? findings : withServerName(findings, servers[at]),
    ),
    ...(await checkNumbering(access, options)),
  ]
}

async function checkServer(server: Server, needs: RedisNeeds): Promise<readonly Finding[]> {
  const sentAt = Date.now()
  const [seconds = 0, micros = 0] = (await server.time()).map(Number)
  const receivedAt = Date.now()
  const info = parseInfo(await server.info())
  return [
    ...checkRedisSettings(info, await settingsOf(server), needs),
    redisClockFinding(seconds, micros, sentAt, receivedAt),
  ]
}

async function settingsOf(server: Server): Promise<RedisSettings> {
  const settings = new Map<string, string>()
  try {
    for (const name of SETTINGS) {
      const [key, value] = await server.config('GET', name)
      if (key !== undefined && value !== undefined) settings.set(key, value)
    }
    return settings
  } catch {
    return null
  }
}

function redisClockFinding(seconds: number, micros: number, sentAt: number, receivedAt: number): Finding {
  const time = seconds * 1000 + micros / 1000
  const off = time < sentAt ? time - sentAt : time > receivedAt ? time - receivedAt : 0
  return Math.abs(off) <= CLOCK_MS_MAX
    ? ok('clock', `Redis's clock is this machine's, to ${Math.round(Math.abs(off))} ms`)
    : warning(
        'clock',
        `Redis's clock is ${(Math.abs(off) / 1000).toFixed(1)} s ${off > 0 ? 'ahead of' : 'behind'} this machine's`,
        'have all hosts keep time (chrony, systemd-timesyncd)',
      )
}

/** Whether an ingest with the same idea of partitions and stream publishes here. */
async function checkNumbering(
  { client }: RedisAccess,
  { prefix, partitions, stream }: RedisCheckOptions,
): Promise<readonly Finding[]> {
  const { meta } = keys(prefix, 0)
  const read = async () => client.hgetall(meta)
  const first = await read()
  if (first[META.epoch] === undefined)
    return [
      warning(
        CHECK,
        `there are no events under the prefix ${prefix} yet`,
        'start an ingest; check redis.prefix and the database in redis.url',
      ),
    ]
  const form = first[META.form] ?? null
  if (!isKnownForm(form)) return [error(CHECK, unknownForm(form ?? ''), 'let all hosts run the same release')]
  const there = Number(first[META.partitions])
  if (there !== partitions)
    return [
      error(
        CHECK,
        `the ingests use ${there} partitions, this configuration ${partitions}`,
        'set redis.partitions to the same everywhere',
      ),
    ]
  if (first[META.stream] !== stream)
    return [
      error(
        CHECK,
        `the events are of stream ${first[META.stream] ?? ''}, not ${stream}`,
        'give each installation a redis.prefix of its own',
      ),
    ]
  return !(await moves(async () => (await read())[META.head] !== first[META.head]))
    ? [
        error(
          CHECK,
          'no event or canary has come in for 2.5 s',
          'look at the ingests: wazo-websocketd-ctl status',
        ),
      ]
    : [ok(CHECK, `events come in under the prefix ${prefix}`)]
}

async function moves(hasMoved: () => Promise<boolean>): Promise<boolean> {
  for (let waited = 0; waited < HEAD_MS; waited += POLL_MS) {
    await sleep(systemClock, POLL_MS)
    if (await hasMoved()) return true
  }
  return false
}

function withServerName(findings: readonly Finding[], server: Server | undefined): readonly Finding[] {
  const { host, port } = server?.options ?? {}
  return findings.map((finding) => ({ ...finding, what: `${host ?? ''}:${port ?? ''}: ${finding.what}` }))
}
