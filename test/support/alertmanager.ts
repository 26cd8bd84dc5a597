/** A real Alertmanager with the shipped example configuration. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { startGuarded, temporaryDirectory } from './guard.mjs'
import { freePort } from './port.mjs'
import { waitFor } from './wait.mjs'

export const ALERTMANAGER_CONFIG = new URL('../../deploy/alertmanager/alertmanager.yml', import.meta.url)

export type AlertLabels = Readonly<Record<string, string>>

interface ApiAlert {
  readonly labels: AlertLabels
  readonly status: { readonly state: 'unprocessed' | 'active' | 'suppressed' }
}

export interface Alertmanager {
  readonly port: number
  /** Tells it that these alerts fire, as Prometheus does. */
  post(alerts: readonly AlertLabels[]): Promise<void>
  /** The names of the alerts that it has, each once: those that an operator hears of, and those that are muted. */
  alerts(): Promise<{ readonly heard: readonly string[]; readonly muted: readonly string[] }>
  stop(): Promise<void>
}

/** @param groupWait how long it waits for more alerts of an incident, before it tells */
export async function startAlertmanager(groupWait = '100ms'): Promise<Alertmanager> {
  const directory = await temporaryDirectory('alertmanager')
  const configuration = parse(await readFile(ALERTMANAGER_CONFIG, 'utf8')) as {
    route: Record<string, unknown>
  }
  configuration.route['group_wait'] = groupWait
  await writeFile(join(directory, 'alertmanager.yml'), JSON.stringify(configuration)) // JSON is YAML
  const port = await freePort()
  const server = startGuarded('prometheus-alertmanager', [
    `--config.file=${join(directory, 'alertmanager.yml')}`,
    `--storage.path=${join(directory, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--cluster.listen-address=', // alone
  ])
  const api = `http://127.0.0.1:${port}/api/v2/alerts`
  await waitFor(
    () => {
      if (server.ended()) throw new Error(`the Alertmanager did not start: ${server.output()}`)
      return fetch(`http://127.0.0.1:${port}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      )
    },
    { timeoutMs: 20_000, what: 'the Alertmanager' },
  )
  const list = async () => (await (await fetch(api)).json()) as ApiAlert[]
  return {
    port,
    async post(alerts) {
      const body = JSON.stringify(alerts.map((labels) => ({ labels })))
      const response = await fetch(api, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })
      if (!response.ok)
        throw new Error(`the Alertmanager answers ${response.status}: ${await response.text()}`)
    },
    async alerts() {
      const all = await list()
      const inState = (muted: boolean) => [
        ...new Set(
          all.flatMap(({ labels, status }) =>
            (status.state === 'suppressed') === muted ? [labels['alertname'] ?? ''] : [],
          ),
        ),
      ]
      return { heard: inState(false).sort(), muted: inState(true).sort() }
    },
    stop: () => server.terminate(),
  }
}
