/** Lines of the log as Wazo's other daemons write them: `2026-11-30 12:00:00,123 [pid] (LEVEL) (name): message`. */

interface Entry {
  readonly level: string
  /** ISO 8601. */
  readonly time: string
  readonly pid: number
  readonly program: string
  readonly msg?: string
  readonly [field: string]: unknown
}

/** A line of the log's JSON, with its end, in Wazo's form; the fields follow the message as `name=value`. */
export function wazoLine(json: string): string {
  const { level, time, pid, program, msg = '', ...fields } = JSON.parse(json) as Entry
  const more = Object.entries(fields).map(([name, value]) => ` ${name}=${textOf(value)}`)
  const message = JSON.stringify(msg).slice(1, -1).replaceAll('\\"', '"') // one line, whatever is in it
  return `${localTime(new Date(time))} [${pid}] (${level.toUpperCase()}) (${program}): ${message}${more.join('')}\n`
}

/** Python's default form, in the time zone of the machine. */
function localTime(at: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0')
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
  return `${date} ${time},${String(at.getMilliseconds()).padStart(3, '0')}`
}

/** As it is where it is one word; otherwise as JSON. */
function textOf(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
}
