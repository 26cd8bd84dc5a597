/** A real Prometheus with the shipped example configuration. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { startGuarded, temporaryDirectory } from './guard.mjs'
import { freePort } from './port.mjs'
import { waitFor } from './wait.mjs'
import { runTool } from './tools.js'

const SHIPPED = new URL('../../deploy/prometheus/prometheus.yml', import.meta.url)
const RULES = new URL('../../deploy/prometheus/rules/', import.meta.url)
const SCRAPE_INTERVAL = '500ms'
/** A port at which no Alertmanager listens. */
const NOBODY = 1
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 }

export interface Target {
  readonly scrapePool: string
  readonly health: 'up' | 'down' | 'unknown'
  readonly lastError: string
}

export interface Prometheus {
  targets(): Promise<Target[]>
  /** How many series an expression gives; the error where it is none. */
  series(expression: string): Promise<number>
  /** The value of an expression that gives one number, or null when it gives nothing. */
  value(expression: string): Promise<number | null>
  /** What an expression gave between two times, in seconds of Unix time, each `step` seconds. */
  range(expression: string, from: number, to: number, step: number): Promise<Series[]>
  stop(): Promise<void>
}

export interface Series {
  readonly labels: Readonly<Record<string, string>>
  /** Seconds of Unix time, and the value. */
  readonly points: readonly (readonly [number, number])[]
}

export interface PrometheusOptions {
  readonly edge: number
  readonly ingest: number
  /** The port of an Alertmanager that hears of alerts. */
  readonly alertmanager?: number
  /** How many times shorter than shipped all times are: scrapes, evaluations, windows and durations of the rules. 1: as shipped. */
  readonly shortened?: number
}

/** Starts Prometheus over the metrics ports of both programs, with the shipped rules. */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const directory = await temporaryDirectory('prometheus')
  const shipped = (await readFile(SHIPPED, 'utf8'))
    .replaceAll('127.0.0.1:9504', `127.0.0.1:${options.edge}`)
    .replaceAll('127.0.0.1:9505', `127.0.0.1:${options.ingest}`)
    .replaceAll('127.0.0.1:9093', `127.0.0.1:${options.alertmanager ?? NOBODY}`)
  const configuration = parse(shipped) as { global: Record<string, string> }
  const interval = options.shortened === undefined ? SCRAPE_INTERVAL : shortened('15s', options.shortened)
  if (options.shortened !== 1) {
    configuration.global['scrape_interval'] = configuration.global['scrape_timeout'] = interval
    if (options.shortened !== undefined) configuration.global['evaluation_interval'] = interval
  }
  await writeFile(join(directory, 'prometheus.yml'), JSON.stringify(configuration)) // JSON is YAML
  await mkdir(join(directory, 'rules'))
  for (const file of await readdir(RULES)) {
    const rules = await readFile(new URL(file, RULES), 'utf8')
    await writeFile(join(directory, 'rules', file), shortenedRules(rules, options.shortened ?? 1))
  }
  const port = await freePort()
  const server = startGuarded('prometheus', [
    `--config.file=${join(directory, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(directory, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ])
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    const { data, error } = (await response.json()) as { data?: unknown; error?: string }
    if (error !== undefined) throw new Error(`${error}: ${path}`)
    return data
  }
  const query = async (expression: string) => {
    const data = await ask(`/api/v1/query?query=${encodeURIComponent(expression)}`)
    return (data as { result: { value: [number, string] }[] }).result
  }
  await waitFor(
    () => {
      if (server.ended()) throw new Error(`prometheus did not start: ${server.output()}`)
      return fetch(`http://127.0.0.1:${port}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      )
    },
    { timeoutMs: 20_000, what: 'prometheus' },
  )
  return {
    targets: async () => ((await ask('/api/v1/targets')) as { activeTargets: Target[] }).activeTargets,
    series: async (expression) => (await query(expression)).length,
    async value(expression) {
      const result = await query(expression)
      return result[0] === undefined ? null : Number(result[0].value[1])
    },
    async range(expression, from, to, step) {
      const query = new URLSearchParams({
        query: expression,
        start: `${from}`,
        end: `${to}`,
        step: `${step}`,
      })
      const data = await ask(`/api/v1/query_range?${query.toString()}`)
      const { result } = data as {
        result: { metric: Record<string, string>; values: [number, string][] }[]
      }
      return result.map(({ metric, values }) => ({
        labels: metric,
        points: values.map(([at, value]) => [at, Number(value)] as const),
      }))
    },
    stop: () => server.terminate(),
  }
}

/** `15s` -> `1000ms`, where all is to be 15 times shorter. */
function shortened(duration: string, times: number): string {
  const [, count = '', unit = ''] = /^(\d+)([smh])$/.exec(duration) ?? []
  return `${Math.round((Number(count) * (UNIT_MS[unit] ?? NaN)) / times)}ms`
}

/**
 * Rules of which every time is shorter: durations, windows, and ages in seconds. The alert about the event loop stays as it
 * is, because the programs hold a maximum for a minute.
 */
function shortenedRules(rules: string, times: number): string {
  const shorten = (text: string) =>
    text
      .replace(/(?<=for: |\[|offset )\d+[smh](?=$|\]|\))/gm, (duration) => shortened(duration, times))
      .replace(/(?<=process_start_time_seconds < )\d+/g, (seconds) => `${Number(seconds) / times}`)
  return rules
    .split(/(?=^ *- alert: )/m)
    .map((rule) => (rule.includes('- alert: WebsocketdEventLoopLag') ? rule : shorten(rule)))
    .join('')
}

/** What `promtool check metrics` objects to in the text of a /metrics page; '' when it is clean. */
export async function checkMetrics(text: string): Promise<string> {
  const { status, output } = await runTool('promtool', ['check', 'metrics'], text)
  return status === 0 ? output : `${output}(status ${status})`
}
