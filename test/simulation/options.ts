/** The command line of a simulation. */
import { minutesOf, namesOf, parseOptions, seedOf, UsageError } from '../support/command-line.js'
import { kindsOf, LAYOUTS, type Kind, type Layout } from './faults.js'

export const USAGE = `Usage: npm run simulate -- [options]

Runs the project's own code as whole clusters in one process, over models of RabbitMQ and Redis, in virtual time, and
breaks their parts. A seed decides about everything: faults, load, delays, and the order of whatever happens at once. Each
seed is a cluster of its own with a dozen groups of faults, judged by the checker of npm run chaos. The same seed gives the
same trace. Of the first seed that violates an invariant the fewest faults are searched that still do, and their story is told.
Status: 0 when nothing was violated, 1 otherwise, 2 on a wrong option.

Options:
  --seed N         whole number: the first seed (default: from the time)
  --minutes M      for how long to take one seed after the other, with a fraction if wanted (default: 1)
  --seeds N        instead of minutes: so many seeds
  --layout L       single: one RabbitMQ and one Redis (the default); sentinel: the Redis fails over to a replica that lags
                   behind; cluster: a stream that changes its leader, and such a Redis for each of three partitions
  --kinds a,b,c    only these faults: ${kindsOf('single').join(', ')};
                   of a cluster also ${kindsOf('cluster')
                     .filter((kind) => !kindsOf('single').includes(kind))
                     .join(', ')}
  --story          tell the story of every seed
  --planted        instead of all that: plants one bug after the other into the project's code, and tells after how many seeds
                   and seconds each is found, with the shortest story of the first of each kind of fault
  -h, --help       this text
`

const MINUTES = 1

export interface Options {
  readonly help: boolean
  /** null: none given. */
  readonly seed: number | null
  /** Infinity: as long as the seeds take. */
  readonly minutes: number
  /** Infinity: as many as there is time for. */
  readonly seeds: number
  readonly layout: Layout
  readonly kinds: readonly Kind[]
  readonly story: boolean
  readonly planted: boolean
}

/** Throws UsageError. */
export function readOptions(args: readonly string[]): Options {
  const values = parseOptions('simulate', args, {
    seed: { type: 'string' },
    minutes: { type: 'string' },
    seeds: { type: 'string' },
    layout: { type: 'string' },
    kinds: { type: 'string' },
    story: { type: 'boolean' },
    planted: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  })
  const {
    seed,
    minutes,
    seeds,
    kinds,
    layout: name = 'single',
    story = false,
    planted = false,
    help = false,
  } = values
  if (minutes !== undefined && seeds !== undefined) throw new UsageError('--seeds does not go with --minutes')
  const layout = layoutOf(name)
  const known = kindsOf(layout)
  const unknown = (kind: string): string =>
    `--kinds knows no fault "${kind}" of the lay-out ${layout}; there are ${known.join(', ')}`
  return {
    ...{ help, layout, story, planted, seed: seedOf(seed) },
    minutes: seeds !== undefined ? Infinity : minutes === undefined ? MINUTES : minutesOf(minutes),
    seeds: seeds === undefined ? Infinity : countOf(seeds),
    kinds: kinds === undefined ? known : namesOf(kinds, known, unknown),
  }
}

function countOf(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : NaN
  if (count > 0) return count
  throw new UsageError(`--seeds needs a whole number from 1 to 999999, not "${text}"`)
}

function layoutOf(text: string): Layout {
  if ((LAYOUTS as readonly string[]).includes(text)) return text as Layout
  throw new UsageError(`--layout needs one of ${LAYOUTS.join(', ')}, not "${text}"`)
}
