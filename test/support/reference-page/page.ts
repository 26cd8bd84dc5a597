/** The text of docs/reference.md. */
import { configurationKeys, type KeyRow } from './keys.js'
import { declaredMetrics, processMetrics, type MetricRow } from './metrics.js'

const KIB = 1024
const UNITS: readonly (readonly [number, string])[] = [
  [KIB ** 3, 'GiB'],
  [KIB ** 2, 'MiB'],
  [KIB, 'KiB'],
]

const HEAD = `# Reference: configuration keys and metrics

Generated from the code by \`npm run reference\`; a test compares it. Do not edit it by hand.
`

export async function referencePage(): Promise<string> {
  return [HEAD, keysText(), await metricsText()].join('\n')
}

const KEYS = `## Configuration keys

Both programs read the same file. What sets a key, the first one wins: the command line (\`-d\`, \`-u\`), the environment, the key file
(\`auth.key_file\`, for \`auth.username\` and \`auth.password\`), \`extra_config_files\`, the configuration file, the default.
\`--check-config\` prints every key with its value and where that comes from. Below each key stands its environment variable.

\`reload\`: takes effect at a SIGHUP to the edge, which replaces its workers. \`restart\`: at a restart only, which is true of
every key at the ingest. Lengths of time are seconds and may have fractions, where whole numbers are not asked for.
`

function keysText(): string {
  const sections = new Map<string, KeyRow[]>()
  for (const row of configurationKeys()) {
    const section = row.key.includes('.') ? (row.key.split('.')[0] ?? '') : ''
    sections.set(section, [...(sections.get(section) ?? []), row])
  }
  const parts = [...sections].map(
    ([section, rows]) => `### ${section === '' ? 'Top level' : `\`${section}\``}\n\n${keysTable(rows)}`,
  )
  return [KEYS, ...parts].join('\n')
}

function keysTable(rows: readonly KeyRow[]): string {
  return table(
    ['key', 'allowed', 'default', 'program', 'takes effect', 'meaning'],
    rows.map((row) => [
      `\`${row.key}\`<br>\`${row.variable}\``,
      row.allowed,
      shown(row),
      row.program,
      row.takesEffect,
      row.meaning,
    ]),
  )
}

function shown({ key, default: value }: KeyRow): string {
  const text = `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
  if (typeof value !== 'number' || !key.endsWith('bytes')) return text
  const unit = UNITS.find(([size]) => value % size === 0)
  return unit === undefined ? text : `${text} (${value / unit[0]} ${unit[1]})`
}

const METRICS = `## Metrics

\`/metrics\` of the edge (\`metrics.edge_port\`) has what its primary and all its workers count as one: values of workers are added
up, unless the meaning says otherwise, and those of workers that have ended stay in counters and histograms. That of the
ingest (\`metrics.ingest_port\`) has its own. Behind a label stand its values where they are a fixed set.
`

const OF_EVERY_PROCESS = `### Of every process

The metrics of prom-client, without those that go through every connection of the process and those that read its event loop's
delay; our own in their place, which in the edge have the label \`worker\`: the number of a worker's slot, or \`primary\`; and the
version: \`websocketd_build_info\` of the workers and of the ingest, \`websocketd_primary_build_info\` of the edge's primary.
`

async function metricsText(): Promise<string> {
  const each = await processMetrics()
  return [
    METRICS,
    `### Of the edge\n\n${metricsTable(await declaredMetrics('edge'))}`,
    `### Of the ingest\n\n${metricsTable(await declaredMetrics('ingest'))}`,
    OF_EVERY_PROCESS,
    table(
      ['name', 'type', 'meaning'],
      each.map(({ name, type, help }) => [`\`${name}\``, type, help]),
    ),
  ].join('\n')
}

function metricsTable(rows: readonly MetricRow[]): string {
  const described = ([label, values]: MetricRow['labels'][number]): string =>
    values === null ? `\`${label}\`` : `\`${label}\`: ${[...new Set(values)].join(', ')}`
  return table(
    ['name', 'type', 'labels', 'meaning'],
    rows.map(({ name, type, labels, help }) => [`\`${name}\``, type, labels.map(described).join('; '), help]),
  )
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line), ''].join('\n')
}
