/** The report. Pure. */
import type { Figures } from './figures.js'
import { plots } from './plots.js'
import { asMarkdown, curveTable, scenarioTable, targetTable } from './table.js'
import type { Verdict } from './targets.js'

/** Where and how it was measured. */
export interface Circumstances {
  readonly date: string
  readonly minutes: number
  readonly size: 'full' | 'quick'
  readonly machine: string
  readonly versions: Readonly<Record<string, string>>
  readonly rounds: number
}

const CONTESTANTS = `\`F0\`: bare \`ws\` in two processes, one frame built beforehand, written to each raw socket; no bus, no Redis, no
rights. \`F1\`: the same with \`ws.send(string)\`. \`socket.io\`: Socket.IO with Redis adapter and emitter, fed by an
amqplib consumer, without rights. \`relay\`: amqplib consumer of a stream and \`ws.send\`, nothing else. \`ours\`: ingest,
and edge with two workers; rights, log and recovery are on. All have two server processes, the same clients and the same
events of some 450 bytes. \`server\` is the CPU of the processes that hold the clients (with their primary), \`feed\` that of what brings
them the events. Values are medians of the rounds, in which all take turns. Latency is that of every tenth client, from
just before the publish to the read.`

export function markdown(figures: Figures, verdicts: readonly Verdict[], at: Circumstances): string {
  const { date, minutes, size, machine, versions, rounds } = at
  const faults = figures
    .toJSON()
    .invalid.map(({ scenario, contestant, why }) => [scenario, contestant, why].filter(Boolean).join(', '))
  return [
    '# Benchmark',
    `\`npm run bench\` (${size}), ${date}, ${minutes} minutes, ${rounds} rounds. ${machine}; ${Object.entries(
      versions,
    )
      .map((pair) => pair.join(' '))
      .join(', ')}.`,
    'Servers, brokers and clients share the machine: ratios within one run hold, absolute values do not.',
    faults.length === 0
      ? 'The run is valid: no load generator was saturated, every delivery arrived.'
      : `**The run is invalid:**\n\n${faults.map((fault) => `- ${fault}`).join('\n')}`,
    '## Targets',
    asMarkdown(targetTable(verdicts)),
    '## Who is compared',
    CONTESTANTS,
    '## Figures',
    ...figures
      .scenarios()
      .flatMap((scenario) => [`### ${scenario}`, asMarkdown(scenarioTable(figures, scenario))]),
    '## Curves',
    ...['sessions', 'events/s'].flatMap((curve) =>
      figures.curve(curve).length === 0 ? [] : [`### By ${curve}`, asMarkdown(curveTable(figures, curve))],
    ),
    ...plots(figures).map(({ file, title }) => `![${title}](${file})`),
    '',
  ].join('\n\n')
}
