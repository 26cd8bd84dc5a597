/** The command line of a chaos run. */
import { minutesOf, namesOf, parseOptions, seedOf, UsageError } from '../../support/command-line.js'
import { KINDS_OF, KINDS_OF_UPGRADES, type Kind, type Layout } from './kinds.js'

export const USAGE = `Usage: npm run chaos -- [options]

Starts a private cluster, puts it under load, breaks its parts one after the other, and checks the invariants of
ARCHITECTURE.md over all that clients and buses saw. The same seed gives the same faults in the same order.
Status: 0 when the run is valid and nothing was violated, 1 otherwise, 2 on a wrong option, 130 after Ctrl-C.

Options:
  --seed N         whole number that decides about faults and load (default: from the time)
  --minutes M      for how long, with a fraction if wanted (default: 30)
  --rounds N       instead of minutes: every fault N times, however long that takes
  --layout L       single: one RabbitMQ and one Redis (the default); cluster: three nodes of RabbitMQ, and a Redis
                   Cluster of three masters with a replica each
  --kinds a,b,c    only these faults; single has ${KINDS_OF.single.join(', ')};
                   cluster has ${KINDS_OF.cluster.join(', ')}
  --upgrades N     instead of all that: N upgrades (SIGHUP) one after the other, with \`kill -9\` of random workers
                   between them and during some; one that fails because of that is made up for
  -h, --help       this text

A run in which a kind came up less than three times, or that saw no recovery, no takeover, or no Redis that had
lost data, is invalid; all kinds three times take 15 to 20 minutes. A run of upgrades is invalid in which no worker
was killed.
`

const MINUTES = 30

export interface Options {
  readonly help: boolean
  /** null: none given. */
  readonly seed: number | null
  /** Infinity: as long as the rounds or upgrades take. */
  readonly minutes: number
  /** null: as many as there is time for. */
  readonly rounds: number | null
  readonly layout: Layout
  readonly kinds: readonly Kind[]
  /** So many upgrades, and then the end; null: `minutes` of faults. */
  readonly upgrades: number | null
}

/** Throws UsageError. */
export function readOptions(args: readonly string[]): Options {
  const values = parseOptions('chaos', args, {
    seed: { type: 'string' },
    minutes: { type: 'string' },
    rounds: { type: 'string' },
    layout: { type: 'string' },
    kinds: { type: 'string' },
    upgrades: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  })
  const { seed, minutes, rounds, kinds, upgrades, layout: name = 'single', help = false } = values
  const layout = layoutOf(name)
  const common = { help, layout, seed: seedOf(seed) }
  if (upgrades !== undefined) {
    if ((minutes ?? rounds ?? kinds) !== undefined)
      throw new UsageError('--upgrades goes with none of --minutes, --rounds and --kinds')
    const count = countOf('--upgrades', upgrades)
    return { ...common, minutes: Infinity, rounds: null, kinds: KINDS_OF_UPGRADES, upgrades: count }
  }
  if (minutes !== undefined && rounds !== undefined)
    throw new UsageError('--rounds does not go with --minutes')
  const length =
    rounds === undefined
      ? { minutes: minutes === undefined ? MINUTES : minutesOf(minutes), rounds: null }
      : { minutes: Infinity, rounds: countOf('--rounds', rounds) }
  const wanted = kinds === undefined ? KINDS_OF[layout] : kindsOf(kinds, layout)
  return { ...common, ...length, kinds: wanted, upgrades: null }
}

function countOf(option: string, text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : NaN
  if (count > 0) return count
  throw new UsageError(`${option} needs a whole number from 1 to 9999, not "${text}"`)
}

function layoutOf(text: string): Layout {
  if (Object.hasOwn(KINDS_OF, text)) return text as Layout
  throw new UsageError(`--layout needs one of ${Object.keys(KINDS_OF).join(', ')}, not "${text}"`)
}

function kindsOf(text: string, layout: Layout): Kind[] {
  const known = KINDS_OF[layout]
  return namesOf(
    text,
    known,
    (name) => `--kinds knows no fault "${name}" of the lay-out ${layout}; there are ${known.join(', ')}`,
  )
}
