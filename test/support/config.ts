/** Parts of the configuration of both programs. */
import type { startAuth } from './auth.mjs'

export type Config = Record<string, unknown>

/** The section that leads to wazo-auth's stand-in. */
export function authSection(auth: Awaited<ReturnType<typeof startAuth>>): Config {
  const { host, port, serviceId: username, serviceKey: password } = auth
  return { host, port, prefix: null, username, password, key_file: null }
}

/** The section that leads to a virtual host of RabbitMQ. */
export function busSection(amqpUrl: string): Config {
  const { hostname: host, port, username, password, pathname } = new URL(amqpUrl)
  return { host, port: Number(port), username, password, vhost: pathname.slice(1) }
}

/** Lays one configuration over another, section by section. */
export function merge(base: Config, over: Readonly<Config>): Config {
  const merged: Config = { ...base }
  for (const [key, value] of Object.entries(over))
    merged[key] = isSection(value) && isSection(merged[key]) ? { ...merged[key], ...value } : value
  return merged
}

function isSection(value: unknown): value is Config {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
