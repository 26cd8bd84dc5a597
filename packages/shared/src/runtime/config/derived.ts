/** Values that follow from several keys of the configuration. */
import { availableParallelism } from 'node:os'
import type { Config, LogLevel } from './schema.js'

const MASK = '********'

/** The level of the log: `debug` (-d) wins over `log_level`. */
export function effectiveLogLevel(config: Pick<Config, 'debug' | 'log_level'>): LogLevel {
  return config.debug ? 'debug' : config.log_level
}

/** Workers to start: `process_workers`, where `auto` is the number of processors that this process may use. */
export function workerCount(config: Pick<Config, 'process_workers'>): number {
  return config.process_workers === 'auto' ? availableParallelism() : config.process_workers
}

/** Milliseconds for one request to wazo-auth: `auth.timeout`, else `limits.auth_try_seconds`. */
export function authTryMs(config: Pick<Config, 'auth' | 'limits'>): number {
  return (config.auth.timeout ?? config.limits.auth_try_seconds) * 1000
}

/** wazo-auth's address up to the prefix, without a slash at its end: `http://localhost:80/api/auth`. */
export function authUrl(auth: Pick<Config['auth'], 'host' | 'port' | 'https' | 'prefix'>): string {
  const prefix = (auth.prefix ?? '').replace(/^\/+|\/+$/g, '')
  return `${auth.https ? 'https' : 'http'}://${bracketed(auth.host)}:${auth.port}${prefix === '' ? '' : `/${prefix}`}`
}

/** The nodes of RabbitMQ to try in turn, as host:port. */
export function busHosts({
  hosts,
  host,
  port,
}: Pick<Config['bus'], 'hosts' | 'host' | 'port'>): readonly string[] {
  return hosts ?? [`${bracketed(host)}:${port}`]
}

/** The number of the database that a `redis.url` names as its path, 0 without one; NaN when it is no number. */
export function redisDatabase(url: string): number {
  const { pathname, searchParams } = new URL(url)
  if (searchParams.has('db')) return NaN // ioredis would believe it
  const path = pathname.replace(/^\//, '')
  return path === '' ? 0 : /^\d{1,9}$/.test(path) ? Number(path) : NaN
}

/** The same url with its password masked. */
export function maskedUrl(url: string): string {
  if (!URL.canParse(url)) return MASK
  const { protocol, username, password, host, pathname, search } = new URL(url)
  const user = password === '' ? username : `${username}:${MASK}`
  return `${protocol}//${user === '' ? '' : `${user}@`}${host}${pathname}${search === '' ? '' : `?${MASK}`}`
}

/** An IPv6 address as it stands in a url. */
function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
