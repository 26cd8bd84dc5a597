/** `npm run bench`: see options.ts. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { machine, versions } from './circumstances.js'
import { readOptions, USAGE, type Options } from './options.js'
import { runProgram } from '../support/command-line.js'
import { FULL, QUICK } from './plan.js'
import type { Figures } from './report/figures.js'
import { markdown, type Circumstances } from './report/markdown.js'
import { plots } from './report/plots.js'
import { asText, scenarioTable, targetTable } from './report/table.js'
import { judge, type Verdict } from './report/targets.js'
import { run } from './run.js'

const INTERRUPTED = 130
const MINUTE_MS = 60_000

// Whatever was started ends with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(INTERRUPTED))
await runProgram({ usage: USAGE, readOptions, run: bench })

async function bench({ quick, only, out }: Options): Promise<number> {
  const plan = quick ? QUICK : FULL
  const from = performance.now()
  const say = (line: string): void => {
    console.log(`${((performance.now() - from) / MINUTE_MS).toFixed(1).padStart(5)} min  ${line}`)
  }
  const figures = await run(plan, only, say)
  const verdicts = judge(figures)
  const circumstances: Circumstances = {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    minutes: Math.round((performance.now() - from) / MINUTE_MS),
    size: quick ? 'quick' : 'full',
    machine: machine(),
    versions: versions(),
    rounds: plan.rounds,
  }
  await write(out, figures, verdicts, circumstances)
  return show(figures, verdicts, out) ? 0 : 1
}

async function write(
  out: string,
  figures: Figures,
  verdicts: readonly Verdict[],
  at: Circumstances,
): Promise<void> {
  await mkdir(out, { recursive: true })
  const report = { ...at, verdicts, ...figures.toJSON() }
  await writeFile(join(out, 'report.json'), `${JSON.stringify(report, null, 1)}\n`)
  await writeFile(join(out, 'report.md'), markdown(figures, verdicts, at))
  for (const { file, content } of plots(figures)) await writeFile(join(out, file), content)
}

/** Prints all; whether the run is valid and every target that was measured is met. */
function show(figures: Figures, verdicts: readonly Verdict[], out: string): boolean {
  for (const scenario of figures.scenarios())
    console.log(`\n${scenario}\n${asText(scenarioTable(figures, scenario))}`)
  console.log(`\n${asText(targetTable(verdicts))}\n`)
  const { invalid } = figures.toJSON()
  for (const { scenario, contestant, why } of invalid)
    console.log(`INVALID: ${scenario}, ${contestant}: ${why}`)
  console.log(`written to ${out}`)
  return (
    invalid.length === 0 && verdicts.every(({ verdict }) => verdict === 'met' || verdict === 'not measured')
  )
}
