/** What `--check-config` prints. */
import { maskedUrl } from '../redis/url.js'
import type { ConfigReading } from './load.js'
import type { Setting } from './resolve.js'
import { SECRET_KEYS } from './schema.js'
import { parseYamlValue } from './yaml-file.js'

const MASK = '********'
const PLAIN = /^[A-Za-z0-9_/.][A-Za-z0-9_/.:@*-]*$/

/**
 * One line `key: value  # from source` for each effective key, secrets masked; then, as comments, what is
 * unknown, missing or wrong.
 */
export function configReport(reading: ConfigReading): string {
  const lines = [...reading.settings.values()].map(
    (setting) => `${setting.key}: ${printedValue(setting)}  # from ${setting.source}`,
  )
  for (const note of reading.notes) lines.push(`# note: ${note}`)
  for (const warning of reading.warnings) lines.push(`# warning: ${warning}`)
  for (const problem of reading.problems) lines.push(`# error: ${problem}`)
  return `${lines.join('\n')}\n`
}

function printedValue({ key, value }: Setting): string {
  if (value === null || value === undefined) return 'null'
  if (SECRET_KEYS.has(key)) return MASK
  if (typeof value !== 'string') return JSON.stringify(value, mapsAsLists)
  const shown = key === 'redis.url' ? maskedUrl(value) : value
  return PLAIN.test(shown) && parseYamlValue(shown) === shown ? shown : JSON.stringify(shown)
}

function mapsAsLists(_key: string, value: unknown): unknown {
  return value instanceof Map ? [...value] : value
}
