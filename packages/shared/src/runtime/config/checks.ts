import { isIP } from 'node:net'
import type { Config } from './schema.js'
import type { Setting } from './resolve.js'

const PORT_MAX = 65_535

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
  const { auth, limits, metrics, redis, websocket } = config

  if (websocket.certificate !== null && websocket.private_key === null)
    problem('websocket.certificate', 'needs websocket.private_key too')
  if (websocket.private_key !== null && websocket.certificate === null)
    problem('websocket.private_key', 'needs websocket.certificate too')
  if (!URL.canParse(redis.url)) problem('redis.url', 'must be an address such as redis://127.0.0.1:6379')
  else if (new URL(redis.url).hash !== '')
    problem('redis.url', 'has a # that is not percent-encoded; in a password it is written %23')
  if (redis.cluster?.some((node) => Number(node.slice(node.lastIndexOf(':') + 1)) > PORT_MAX) === true)
    problem('redis.cluster', `has a port above ${PORT_MAX}`)
  for (const entry of websocket.trusted_proxies)
    if (!isNetwork(entry))
      problem('websocket.trusted_proxies', `${JSON.stringify(entry)} is not an address or network`)
  if (limits.send_buffer_soft_bytes > limits.send_buffer_hard_bytes)
    problem('limits.send_buffer_soft_bytes', 'must not be above limits.send_buffer_hard_bytes')
  if (limits.auth_try_seconds > limits.auth_total_seconds)
    problem('limits.auth_try_seconds', 'must not be above limits.auth_total_seconds')
  if (metrics.edge_port !== 0 && metrics.edge_port === websocket.port && metrics.listen === websocket.listen)
    problem('metrics.edge_port', 'must not be the same as websocket.port')
  if (metrics.edge_port !== 0 && metrics.edge_port === metrics.ingest_port)
    problem('metrics.edge_port', 'must not be the same as metrics.ingest_port')
  if (program === 'wazo-websocketd-edge' && (auth.username === null || auth.password === null))
    problem('auth.key_file', `no credentials for wazo-auth: ${mendCredentials(auth)}`)
  return problems
}

/** An address, or a network such as 10.0.0.0/8. */
function isNetwork(entry: string): boolean {
  const [address = '', bits, ...rest] = entry.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 6 ? 128 : 32))
}

function mendCredentials(auth: Config['auth']): string {
  if (auth.username !== null) return 'auth.username is set, but auth.password is not'
  if (auth.password !== null) return 'auth.password is set, but auth.username is not'
  const missing = auth.key_file === null ? '' : `${auth.key_file} does not exist; `
  return `${missing}set auth.key_file, or auth.username and auth.password`
}
