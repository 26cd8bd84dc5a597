/** The command line of `npm run bench`. Pure. */
import { namesOf, parseOptions, UsageError } from '../support/command-line.js'
import { SCENARIOS, type ScenarioName } from './scenarios/names.js'

export const USAGE = `Usage: npm run bench -- [options]

Compares this project with bare ws, Socket.IO and a minimal relay, all in turns on the same sessions and events, and
writes report.md, report.json and charts. Takes up to 40 minutes; nothing else should run on the machine.
Status: 0 when the run is valid and all targets are met, 1 otherwise, 2 on a wrong option, 130 after Ctrl-C.

Options:
  --quick          small sizes and one round, in five minutes: shows that it runs, not how fast
  --only a,b       only these: ${SCENARIOS.join(', ')}
  --out DIR        where to write (default: docs/benchmarks, with --quick docs/benchmarks/quick)
  -h, --help       this text
`

export interface Options {
  readonly help: boolean
  readonly quick: boolean
  readonly only: readonly ScenarioName[]
  readonly out: string
}

/** Throws UsageError. */
export function readOptions(args: readonly string[]): Options {
  const values = parseOptions('bench', args, {
    quick: { type: 'boolean' },
    only: { type: 'string' },
    out: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  })
  const { help = false, quick = false, only, out } = values
  if (out === '') throw new UsageError('--out needs a directory')
  return {
    help,
    quick,
    only: only === undefined ? SCENARIOS : scenariosOf(only),
    out: out ?? (quick ? 'docs/benchmarks/quick' : 'docs/benchmarks'),
  }
}

/** In the order in which they run. */
function scenariosOf(text: string): ScenarioName[] {
  const unknown = (name: string): string => `--only knows no "${name}"; there are ${SCENARIOS.join(', ')}`
  const names = namesOf(text, SCENARIOS, unknown)
  return SCENARIOS.filter((name) => names.includes(name))
}
