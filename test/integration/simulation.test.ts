import { expect } from 'chai'
import { Coverage } from '../simulation/coverage.js'
import { runEpisode } from '../simulation/episode.js'
import { readOptions } from '../simulation/options.js'
import { find, plant, PLANTED } from '../simulation/planted.js'
import { shrink } from '../simulation/shrink.js'
import { UsageError } from '../support/command-line.js'

const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1)
/** One for each part of the checker's work; `npm run simulate -- --planted` takes all. */
const IN_BRIEF = [0, 1, 2, 10]

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

  for (const bug of IN_BRIEF.map((i) => PLANTED[i]!))
    it(`finds ${bug.what}`, async () => {
      const found = await find(bug, SEEDS)
      expect(bug.finds).to.include(found?.result.violations[0]?.invariant)
    })

  it('finds the fewest faults that violate the same', async () => {
    const bug = PLANTED[0]!
    const { seed, result } = (await find(bug, SEEDS))!
    const undo = plant(bug)
    try {
      const { kinds, layout } = bug
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
