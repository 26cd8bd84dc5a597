/** The command line of a fuzz run. */
import { minutesOf, namesOf, parseOptions, seedOf } from '../support/command-line.js'
import { areas } from './areas/all.js'

const NAMES: readonly string[] = [...areas.keys()]

export const USAGE = `Usage: npm run fuzz -- [options]

Gives the program whatever may come from outside, right, nearly right and wrong, and checks what must hold of each area.
The same seed gives the same inputs in the same order.
Status: 0 when everything held, 1 on a violation, 2 on a wrong option.

Options:
  --seed N       whole number that decides about all inputs (default: from the time)
  --minutes M    for how long in all, with a fraction if wanted, shared by the areas (default: until each area has had
                 the number of inputs of a full run, which takes a quarter of an hour)
  --only a,b,c   only these areas; there are ${NAMES.join(', ')}
  -h, --help     this text
`

export interface Options {
  readonly help: boolean
  /** null: none given. */
  readonly seed: number | null
  /** null: a full run, however long it takes. */
  readonly minutes: number | null
  readonly only: readonly string[]
}

/** Throws UsageError. */
export function readOptions(args: readonly string[]): Options {
  const {
    seed,
    minutes,
    only,
    help = false,
  } = parseOptions('fuzz', args, {
    seed: { type: 'string' },
    minutes: { type: 'string' },
    only: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  })
  const unknown = (name: string): string => `--only knows no area "${name}"; there are ${NAMES.join(', ')}`
  return {
    help,
    seed: seedOf(seed),
    minutes: minutes === undefined ? null : minutesOf(minutes),
    only: only === undefined ? NAMES : namesOf(only, NAMES, unknown),
  }
}
