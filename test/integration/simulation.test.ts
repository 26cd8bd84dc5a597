import { expect } from 'chai'
import { Sessions } from '@wazo-websocketd/edge/session/sessions'
import { StreamHistory } from '@wazo-websocketd/ingest/attach/history'
import { Continuity } from '@wazo-websocketd/ingest/publish/continuity'
import { PublishLoop } from '@wazo-websocketd/ingest/publish/publish-loop'
import { Coverage } from '../simulation/coverage.js'
import { runEpisode, type EpisodeResult } from '../simulation/episode.js'
import type { Kind, Layout } from '../simulation/faults.js'
import { readOptions } from '../simulation/options.js'
import { shrink } from '../simulation/shrink.js'
import { UsageError } from '../support/command-line.js'

const SEEDS_MAX = 12

/** Takes one mechanism away that keeps a promise, by other methods in a class. */
interface Mutation {
  readonly what: string
  readonly methods: readonly (readonly [of: { readonly prototype: object }, name: string, instead: unknown])[]
  readonly kinds: readonly Kind[]
  readonly layout: Layout
}

const MUTATIONS: readonly Mutation[] = [
  {
    what: 'an ingest that forgets where the stream was',
    methods: [[StreamHistory, 'start', () => null]],
    kinds: ['redis-empty'],
    layout: 'single',
  },
  {
    what: 'sessions that are not told of a loss',
    methods: [[Sessions, 'lost', () => 0]],
    kinds: ['rabbit-leader'],
    layout: 'cluster',
  },
  {
    what: 'a loss in the stream that nobody notices',
    methods: [
      [Continuity, 'accept', () => true],
      [PublishLoop, 'isStalled', () => false],
    ],
    kinds: ['rabbit-leader'],
    layout: 'cluster',
  },
]

/** Overwrites the methods; returns what undoes that. */
function plant({ methods }: Mutation): () => void {
  const undo = methods.map(([{ prototype }, name, instead]) => {
    const holder = prototype as Record<string, unknown>
    const own = holder[name]
    expect(own, name).to.be.a('function')
    holder[name] = instead
    return () => (holder[name] = own)
  })
  return () => {
    for (const each of undo) each()
  }
}

/** Runs seeds until one violates something. */
async function firstViolating({ kinds, layout }: Mutation): Promise<[number, EpisodeResult] | null> {
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    const result = await runEpisode({ seed, layout, kinds })
    if (result.violations.length > 0) return [seed, result]
  }
  return null
}

describe('A simulated cluster', function () {
  this.timeout(120_000)

  for (const layout of ['single', 'sentinel', 'cluster'] as const)
    it(`violates nothing, and runs the same way again with the same seed (${layout})`, async () => {
      const [first, again] = [await runEpisode({ seed: 15, layout }), await runEpisode({ seed: 15, layout })]
      expect(first.violations).to.deep.equal([])
      expect(first.deliveries).to.be.above(1000)
      expect(again).to.deep.equal(first)
      expect((await runEpisode({ seed: 20, layout })).trace).not.to.equal(first.trace)
    })

  it('counts the states that it meets, and names those that it does not', async () => {
    const coverage = new Coverage()
    await runEpisode({ seed: 15, layout: 'single', kinds: ['redis-empty', 'amqp-reset'], coverage })
    const report = coverage.report()
    expect(report)
      .to.include('a new epoch: first-start (1)')
      .and.to.include('a new epoch: trimmed: never met')
    expect(
      report.some((line) => /^Redis is seeded \(\d+\)$/.test(line)),
      report.join('\n'),
    ).to.equal(true)
  })

  for (const mutation of MUTATIONS)
    it(`finds ${mutation.what}`, async () => {
      const undo = plant(mutation)
      try {
        expect(await firstViolating(mutation)).not.to.equal(null)
      } finally {
        undo()
      }
    })

  it('finds the fewest faults that violate the same', async () => {
    const [mutation] = MUTATIONS as readonly [Mutation]
    const undo = plant(mutation)
    try {
      const [seed, result] = (await firstViolating(mutation))!
      const { kinds, layout } = mutation
      const shortest = await shrink({ seed, layout, kinds }, result)
      expect(shortest.faults.flat()).to.have.length(1)
    } finally {
      undo()
    }
  })
})

describe('npm run simulate', () => {
  it('reads its options, and refuses wrong ones in one line', () => {
    expect(readOptions([])).to.include({ seed: null, minutes: 1, seeds: Infinity, layout: 'single' })
    expect(readOptions(['--seeds', '3', '--layout', 'cluster'])).to.include({ minutes: Infinity, seeds: 3 })
    expect(readOptions(['--kinds', 'redis-empty']).kinds).to.deep.equal(['redis-empty'])
    for (const [args, what] of [
      [['--seeds', '3', '--minutes', '1'], /does not go with/],
      [['--seeds', '0'], /whole number from 1/],
      [['--layout', 'both'], /one of single, sentinel, cluster/],
      [['--kinds', 'rabbit-leader'], /no fault "rabbit-leader" of the lay-out single/],
      [['--wrong'], /see npm run simulate/],
    ] as const)
      expect(() => readOptions(args), args.join(' ')).to.throw(UsageError, what)
  })
})
