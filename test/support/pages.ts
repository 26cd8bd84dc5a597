import { readFileSync } from 'node:fs'
import type { Program } from './program.mjs'
import { waitFor } from './wait.mjs'
import type { Cluster } from './cluster.js'

/** What all programs of a cluster say at a path of their ports for metrics and health. */
export async function pages({ edges, ingests }: Cluster, path: string): Promise<string> {
  const ports = [...edges.map(({ adminPort }) => adminPort), ...ingests.map(portOf)]
  const responses = await Promise.all(ports.map((port) => fetch(`http://127.0.0.1:${port}${path}`)))
  return (await Promise.all(responses.map((response) => response.text()))).join('\n')
}

/** The sum of a metric (without its prefix) over all label values that match, from a program's /metrics. */
export async function metric(
  port: number,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`)
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  let sum = 0
  for (const line of (await response.text()).split('\n')) {
    const [, found, labelled = '', value] = /^websocketd_(\w+)(\{[^}]*\})? (\S+)$/.exec(line) ?? []
    if (found === name && wanted.every((each) => labelled.includes(each))) sum += Number(value)
  }
  return sum
}

/** Resolves when every program of a cluster says that it is ready. */
export async function allReady(cluster: Cluster, timeoutMs = 10_000): Promise<void> {
  const ready = async () => !(await pages(cluster, '/readyz').catch(() => 'not ready')).includes('not ready')
  await waitFor(ready, { timeoutMs, what: 'every program to be ready' })
}

/** The port of an ingest for metrics and health, by the configuration that it was started with. */
export function portOf({ pid }: Program): number {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  const config = readFileSync(words[words.indexOf('-c') + 1]!, 'utf8')
  return (JSON.parse(config) as { metrics: { ingest_port: number } }).metrics.ingest_port
}
