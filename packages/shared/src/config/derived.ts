/** Values that follow from several keys of the configuration. */
import { availableParallelism } from 'node:os'
import type { Config, LogLevel } from './schema.js'

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

/** An IPv6 address as it stands in a url. */
function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
