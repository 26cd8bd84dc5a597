/** Numbers with their units, short. */

const SUFFIX: Readonly<Record<string, string>> = { eps: '/s', ops: '/s', short: '' }
const PREFIXES = ['', 'k', 'M', 'G'] as const

/** @param unit as Grafana names it. */
export function withUnit(value: number, unit = 'short'): string {
  if (unit === 'percentunit') return `${trimmed(100 * value)} %`
  if (unit === 's') return seconds(value)
  if (unit === 'bytes') return scaled(value, 1024, 'iB')
  return scaled(value, 1000, '') + (SUFFIX[unit] ?? ` ${unit}`)
}

function seconds(value: number): string {
  const size = Math.abs(value)
  if (size >= 60) return `${trimmed(value / 60)} min`
  if (size >= 1 || value === 0) return `${trimmed(value)} s`
  return size >= 1e-3 ? `${trimmed(1e3 * value)} ms` : `${trimmed(1e6 * value)} us`
}

function scaled(value: number, base: number, tail: string): string {
  let power = 0
  while (Math.abs(value) >= base ** (power + 1) && power < PREFIXES.length - 1) power++
  return trimmed(value / base ** power) + (power === 0 ? '' : ` ${PREFIXES[power]!}${tail}`)
}

function trimmed(value: number): string {
  return `${Number(value.toPrecision(3))}`
}
