/** A real Prometheus with the shipped example configuration. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { startGuarded, temporaryDirectory } from '../../support/guard.mjs'
import { freePort } from '../../support/port.mjs'
import { waitFor } from '../../support/wait.mjs'
import { runTool } from './tools.js'

const SHIPPED = new URL('../../../deploy/prometheus/prometheus.yml', import.meta.url)
const SCRAPE_INTERVAL = '500ms'

export interface Target {
  readonly scrapePool: string
  readonly health: 'up' | 'down' | 'unknown'
  readonly lastError: string
}

export interface Prometheus {
  targets(): Promise<Target[]>
  /** The value of an expression that gives one number, or null when it gives nothing. */
  value(expression: string): Promise<number | null>
  stop(): Promise<void>
}

/** Starts Prometheus over the metrics ports of both programs. */
export async function startPrometheus(ports: { edge: number; ingest: number }): Promise<Prometheus> {
  const directory = await temporaryDirectory('prometheus')
  const shipped = (await readFile(SHIPPED, 'utf8'))
    .replaceAll('127.0.0.1:9504', `127.0.0.1:${ports.edge}`)
    .replaceAll('127.0.0.1:9505', `127.0.0.1:${ports.ingest}`)
  const configuration = parse(shipped) as { global: Record<string, string> }
  configuration.global['scrape_interval'] = SCRAPE_INTERVAL
  configuration.global['scrape_timeout'] = SCRAPE_INTERVAL
  await writeFile(join(directory, 'prometheus.yml'), JSON.stringify(configuration)) // JSON is YAML
  const port = await freePort()
  const server = startGuarded('prometheus', [
    `--config.file=${join(directory, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(directory, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ])
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    const { data } = (await response.json()) as { data: unknown }
    return data
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
    async value(expression) {
      const data = await ask(`/api/v1/query?query=${encodeURIComponent(expression)}`)
      const { result } = data as { result: { value: [number, string] }[] }
      return result[0] === undefined ? null : Number(result[0].value[1])
    },
    stop: () => server.terminate(),
  }
}

/** What `promtool check metrics` objects to in the text of a /metrics page; '' when it is clean. */
export async function checkMetrics(text: string): Promise<string> {
  const { status, output } = await runTool('promtool', ['check', 'metrics'], text)
  return status === 0 ? output : `${output}(status ${status})`
}
