/** The command line of a fuzz run. */
import { parseArgs } from 'node:util'
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

const MINUTES_MAX = 1440
const SEED_MAX = 2 ** 32 - 1

/** A wrong option; the message is the one line to show. */
export class UsageError extends Error {}

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
  const { seed, minutes, only, help = false } = parse(args)
  return {
    help,
    seed: seed === undefined ? null : seedOf(seed),
    minutes: minutes === undefined ? null : minutesOf(minutes),
    only: only === undefined ? NAMES : namesOf(only),
  }
}

function parse(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seed: { type: 'string' },
        minutes: { type: 'string' },
        only: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    return values
  } catch (error) {
    const [what = ''] = error instanceof Error ? error.message.split(/\. |\n/, 1) : []
    throw new UsageError(`${what} (see npm run fuzz -- --help)`)
  }
}

function seedOf(text: string): number {
  const seed = /^\d{1,10}$/.test(text) ? Number(text) : NaN
  if (seed <= SEED_MAX) return seed
  throw new UsageError(`--seed needs a whole number from 0 to ${SEED_MAX}, not "${text}"`)
}

function minutesOf(text: string): number {
  const minutes = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : NaN
  if (minutes > 0 && minutes <= MINUTES_MAX) return minutes
  throw new UsageError(`--minutes needs a number above 0 and up to ${MINUTES_MAX}, not "${text}"`)
}

function namesOf(text: string): string[] {
  const names = text.split(',').filter((name) => name !== '')
  const unknown = names.find((name) => !areas.has(name))
  if (unknown !== undefined || names.length === 0)
    throw new UsageError(`--only knows no area "${unknown ?? ''}"; there are ${NAMES.join(', ')}`)
  return [...new Set(names)]
}
