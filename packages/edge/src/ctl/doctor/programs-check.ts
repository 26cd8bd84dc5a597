/** The programs: those of this host by their own word, all others by their connections to Redis. Pure. */
import type { ClusterProgram } from '../cluster-programs.js'
import { error, ok, warning, type Finding } from '../finding.js'
import type { EdgeAnswer, IngestAnswer } from '../shapes.js'

const VERSIONS = 'versions'
/** So much of what comes in may be of other Wazos before the uuid is doubted. */
const FOREIGN_SHARE_MAX = 0.5

/** `answer`: a text says why there is none. */
export function checkEdge(answer: EdgeAnswer | string): readonly Finding[] {
  if (typeof answer === 'string') return [warning('edge', answer)]
  const { missing, workers, version, upgrade } = answer
  const silent = workers.filter(({ status }) => status === null)
  return [
    missing.length === 0
      ? ok('edge', `version ${version}, ready, ${workers.length} workers`)
      : error('edge', `not ready: ${missing.join('; ')}`, 'the lines above and the log say why'),
    ...silent.map(({ worker, pid }) =>
      error(
        'edge',
        `worker ${worker} (pid ${pid ?? 'unknown'}) does not answer`,
        'look at its log; kill -9 replaces it',
      ),
    ),
    ...(upgrade.last?.result === 'failure'
      ? [
          warning(
            'edge',
            `the last upgrade has failed: ${upgrade.last.why ?? ''}`,
            'mend it and run wazo-websocketd-ctl upgrade',
          ),
        ]
      : []),
  ]
}

export function checkIngest(answer: IngestAnswer | string): readonly Finding[] {
  if (typeof answer === 'string') return [warning('ingest', answer)]
  const { missing, version, publishing, messages } = answer
  const foreign = messages['other_origin'] ?? 0
  const all = Object.values(messages).reduce((sum, each) => sum + each, 0)
  return [
    missing.length === 0
      ? ok('ingest', `version ${version}, ready, ${publishing ? 'publishes' : 'follows another one'}`)
      : error('ingest', `not ready: ${missing.join('; ')}`, 'the lines above and the log say why'),
    ...(foreign > all * FOREIGN_SHARE_MAX
      ? [
          error(
            'uuid',
            `${foreign} of ${all} messages of the bus are of another Wazo and were dropped`,
            "set XIVO_UUID or uuid to this Wazo's uuid",
          ),
        ]
      : []),
  ]
}

/** `programs`: a text says why they are not known. */
export function checkVersions(programs: readonly ClusterProgram[] | string, own: string): readonly Finding[] {
  if (typeof programs === 'string')
    return [warning(VERSIONS, `not known: ${programs}`, 'let the user of Redis run CLIENT LIST')]
  const lines = programs.map(({ kind, host, version, count }) => `${count} ${kind} at ${host}: ${version}`)
  const kinds = new Set(programs.map(({ kind }) => kind))
  const versions = new Set([...programs.map(({ version }) => version), own])
  const absent = (['edge worker', 'ingest'] as const).filter((kind) => !kinds.has(kind))
  return [
    ...absent.map((kind) => error(VERSIONS, `no ${kind} is connected to Redis`, 'start one')),
    versions.size > 1
      ? warning(
          VERSIONS,
          `several are in use: ${lines.join('; ')}; this tool: ${own}`,
          'upgrade the other hosts',
        )
      : ok(VERSIONS, lines.length === 0 ? own : lines.join('; ')),
  ]
}
