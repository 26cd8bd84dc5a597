/** `status` on one screen. Pure. */
import type { ClusterProgram } from './cluster-programs.js'
import { duration } from './explain/token-text.js'
import type { EdgeAnswer, IngestAnswer, LossAnswer, UpgradeAnswer, WorkerEntry } from './shapes.js'

/** What was learned; a text says why something was not. */
export interface StatusReport {
  readonly edge: EdgeAnswer | string
  readonly ingest: IngestAnswer | string
  readonly programs: readonly ClusterProgram[] | string
  /** Head of each partition in Redis; null: there is none. */
  readonly heads: readonly (number | null)[] | string
}

const SHOWN_MAX = 5
const ID_DIGITS = 8

export function statusLines(report: StatusReport, now: number): readonly string[] {
  const { edge, ingest } = report
  return [
    ...(typeof edge === 'string' ? [`edge here: ${edge}`] : edgeLines(edge, report, now)),
    ...(typeof ingest === 'string' ? [`ingest here: ${ingest}`] : ingestLines(ingest, now)),
    ...programLines(report.programs),
    ...lossLines(edge, ingest),
  ]
}

function edgeLines(edge: EdgeAnswer, { heads }: StatusReport, now: number): readonly string[] {
  const sessions = edge.workers.reduce((sum, { status }) => sum + (status?.sessions ?? 0), 0)
  const state = edge.ready ? 'ready' : `NOT READY: ${edge.missing.join('; ')}`
  return [
    `edge here: ${edge.version}, pid ${edge.pid}, up ${since(edge.since, now)}, ${state}, ${sessions} sessions`,
    ...edge.workers.map((worker) => workerLine(worker, typeof heads === 'string' ? [] : heads)),
    upgradeLine(edge.upgrade),
  ]
}

function workerLine(
  { worker, pid, upSeconds, status }: WorkerEntry,
  heads: readonly (number | null)[],
): string {
  const place = `  worker ${worker}, pid ${pid ?? '?'}, up ${duration(upSeconds)}`
  if (status === null) return `${place}: DOES NOT ANSWER (it starts, or hangs)`
  const { version, sessions, live, missing, bus } = status
  const behind = bus.partitions.reduce(
    (sum, { partition, offset }) => sum + Math.max(0, (heads[partition] ?? 0) - (offset ?? 0)),
    0,
  )
  const lost = bus.partitions.filter((partition) => !partition.live).map(({ partition }) => partition)
  return [
    `${place}: ${version}, ${sessions} sessions, ${live} live`,
    `${behind} offsets behind`,
    ...(lost.length > 0 ? [`partitions not live: ${lost.join(', ')}`] : []),
    ...missing.map((what) => `missing: ${what}`),
  ].join(', ')
}

function upgradeLine({ underWay, last }: EdgeAnswer['upgrade']): string {
  const ended = last === null ? 'none since the start' : upgradeText(last)
  return `  upgrade: ${underWay ? `UNDER WAY; the last one: ${ended}` : ended}`
}

export function upgradeText({ result, why, from, to, endedAt, seconds }: UpgradeAnswer): string {
  const what = from === to ? `workers of ${to} replaced` : `from ${from} to ${to}`
  return result === 'success'
    ? `success at ${endedAt}, ${what}, ${seconds} s`
    : `FAILED at ${endedAt} after ${seconds} s: ${why ?? 'unknown'}`
}

function ingestLines(ingest: IngestAnswer, now: number): readonly string[] {
  const { version, pid, state, publishing, brokerHost, lagSeconds, missing, messages } = ingest
  const role = publishing ? 'publishes' : 'follows another one'
  const lag = lagSeconds === null ? 'no canary yet' : `lag ${Math.round(lagSeconds * 1000)} ms`
  const dropped = Object.entries(messages).filter(
    ([result]) => !['published', 'deduplicated'].includes(result),
  )
  return [
    `ingest here: ${version}, pid ${pid}, up ${since(ingest.since, now)}, ${state}, ${role}, ${lag}, RabbitMQ at ${brokerHost}, id ${ingest.ingest.slice(0, ID_DIGITS)}`,
    ...missing.map((what) => `  missing: ${what}`),
    `  messages: ${messages['published'] ?? 0} published, ${messages['deduplicated'] ?? 0} published by others${dropped.map(([why, n]) => `, ${n} dropped (${why})`).join('')}`,
  ]
}

function programLines(programs: StatusReport['programs']): readonly string[] {
  if (typeof programs === 'string') return [`all hosts: not known: ${programs}`]
  const lines = programs.map(
    ({ kind, host, version, count }) => `  ${host}: ${count} ${kind}${count === 1 ? '' : 's'}, ${version}`,
  )
  return ['all hosts, by their connections to Redis:', ...(lines.length === 0 ? ['  none'] : lines)]
}

/** Workers of a host tell of the same loss; each of them says how many sessions it was. */
function lossLines(edge: StatusReport['edge'], ingest: StatusReport['ingest']): readonly string[] {
  const losses: readonly LossAnswer[] =
    typeof edge === 'string' ? [] : edge.workers.flatMap(({ status }) => status?.losses ?? [])
  const epochs = typeof ingest === 'string' ? [] : ingest.epochs
  const failures = typeof ingest === 'string' ? [] : ingest.failures
  const lines = [
    ...losses.map(
      ({ at, partition, why, sessions }) =>
        `  ${at} partition ${partition}: ${why}; ${sessions} sessions got 1011`,
    ),
    ...epochs.map(({ at, why }) => `  ${at} the ingest began a new epoch: ${why}`),
    ...failures.map(({ at, what }) => `  ${at} the ingest: ${what}`),
  ].sort()
  return [
    'losses and failures since the start:',
    ...(lines.length === 0 ? ['  none'] : lines.slice(-2 * SHOWN_MAX)),
  ]
}

function since(at: string, now: number): string {
  return duration((now - Date.parse(at)) / 1000)
}
