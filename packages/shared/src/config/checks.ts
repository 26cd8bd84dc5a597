import { redisDatabase } from '../redis/url.js'
import { parseNetwork } from '../runtime/network.js'
import type { Config } from './schema.js'
import type { Setting } from './resolve.js'

const PORT_MAX = 65_535
const DATABASE_MAX = 65_535

export type Program = 'wazo-websocketd-edge' | 'wazo-websocketd-ingest'

/** Problems between keys that each for itself is right; one line each. */
export function crossChecks(
  config: Config,
  settings: ReadonlyMap<string, Setting>,
  program: Program,
): readonly string[] {
  const problems: string[] = []
  const problem = (key: string, what: string) =>
    problems.push(`${settings.get(key)?.source ?? 'configuration'}: ${key}: ${what}`)
  const { auth, bus, limits, metrics, redis, websocket } = config

  if (websocket.certificate !== null && websocket.private_key === null)
    problem('websocket.certificate', 'needs websocket.private_key too')
  if (websocket.private_key !== null && websocket.certificate === null)
    problem('websocket.private_key', 'needs websocket.certificate too')
  if (!URL.canParse(redis.url)) problem('redis.url', 'must be an address such as redis://127.0.0.1:6379')
  else if (new URL(redis.url).hash !== '')
    problem('redis.url', 'has a # that is not percent-encoded; in a password it is written %23')
  else if (!isPercentEncoded(redis.url))
    problem('redis.url', 'has a % in its user or password that is not percent-encoded; it is written %25')
  else redisChecks(redis, problem)
  for (const [key, nodes] of [
    ['bus.hosts', bus.hosts],
    ['redis.cluster', redis.cluster],
    ['redis.sentinels', redis.sentinels],
  ] as const)
    if (nodes?.some((node) => !isPort(Number(node.slice(node.lastIndexOf(':') + 1)))) === true)
      problem(key, `has a port that is not from 1 to ${PORT_MAX}`)
  for (const [key, tls] of [
    ['bus.tls', bus.tls],
    ['redis.tls', redis.tls],
  ] as const) {
    if (typeof tls === 'boolean' || (tls.cert === null) === (tls.key === null)) continue
    const [given, lacking] = tls.key === null ? ['cert', 'key'] : ['key', 'cert']
    problem(`${key}.${given}`, `needs ${key}.${lacking} too`)
  }
  for (const entry of websocket.trusted_proxies)
    if (parseNetwork(entry) === null)
      problem('websocket.trusted_proxies', `${JSON.stringify(entry)} is not an address or network`)
  if (limits.send_buffer_soft_bytes > limits.send_buffer_hard_bytes)
    problem('limits.send_buffer_soft_bytes', 'must not be above limits.send_buffer_hard_bytes')
  if (limits.auth_try_seconds > limits.auth_total_seconds)
    problem('limits.auth_try_seconds', 'must not be above limits.auth_total_seconds')
  if (
    metrics.edge_port !== 0 &&
    metrics.edge_port === websocket.port &&
    overlap(metrics.listen, websocket.listen)
  )
    problem('metrics.edge_port', 'must not be the same as websocket.port')
  if (metrics.edge_port !== 0 && metrics.edge_port === metrics.ingest_port)
    problem('metrics.edge_port', 'must not be the same as metrics.ingest_port')
  if (program === 'wazo-websocketd-edge' && (auth.username === null || auth.password === null))
    problem('auth.key_file', `no credentials for wazo-auth: ${credentialsHint(auth)}`)
  return problems
}

/** Whether programs that listen on these addresses need different ports. */
function overlap(one: string, other: string): boolean {
  return one === other || [one, other].some((each) => each === '::' || each === '0.0.0.0')
}

function redisChecks(redis: Config['redis'], problem: (key: string, what: string) => void): void {
  const database = redisDatabase(redis.url)
  if (Number.isNaN(database) || database > DATABASE_MAX)
    problem(
      'redis.url',
      'must have the number of a database as its path, such as redis://host:6379/1, or none',
    )
  if (redis.cluster === null) return
  if (redis.sentinels !== null) problem('redis.sentinels', 'cannot be used together with redis.cluster')
  if (database > 0) problem('redis.url', 'must not name a database other than 0: redis.cluster has no other')
}

/** Whether user and password of a url can be decoded. */
function isPercentEncoded(url: string): boolean {
  const { username, password } = new URL(url)
  try {
    decodeURIComponent(username + password)
    return true
  } catch {
    return false
  }
}

function isPort(port: number): boolean {
  return port >= 1 && port <= PORT_MAX
}

function credentialsHint(auth: Config['auth']): string {
  if (auth.username !== null) return 'auth.username is set, but auth.password is not'
  if (auth.password !== null) return 'auth.password is set, but auth.username is not'
  const missing = auth.key_file === null ? '' : `${auth.key_file} does not exist; `
  return `${missing}set auth.key_file, or auth.username and auth.password (or auth.password_file)`
}
