/** The command line of `npm run bench`. Pure. */
import { parseArgs } from 'node:util'
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

/** A wrong option; the message is the one line to show. */
export class UsageError extends Error {}

export interface Options {
  readonly help: boolean
  readonly quick: boolean
  readonly only: readonly ScenarioName[]
  readonly out: string
}

/** Throws UsageError. */
export function readOptions(args: readonly string[]): Options {
  const { help = false, quick = false, only, out } = parse(args)
  if (out === '') throw new UsageError('--out needs a directory')
  return {
    help,
    quick,
    only: only === undefined ? SCENARIOS : namesOf(only),
    out: out ?? (quick ? 'docs/benchmarks/quick' : 'docs/benchmarks'),
  }
}

function parse(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean' },
        only: { type: 'string' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    return values
  } catch (error) {
    const [what = ''] = error instanceof Error ? error.message.split(/\. |\n/, 1) : []
    throw new UsageError(`${what} (see npm run bench -- --help)`)
  }
}

function namesOf(text: string): ScenarioName[] {
  const names = text.split(',').filter((name) => name !== '')
  const unknown = names.find((name) => !(SCENARIOS as readonly string[]).includes(name))
  if (unknown !== undefined || names.length === 0)
    throw new UsageError(`--only knows no "${unknown ?? ''}"; there are ${SCENARIOS.join(', ')}`)
  return SCENARIOS.filter((name) => names.includes(name))
}
