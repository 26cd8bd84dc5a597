/** `npm run simulate`: see options.ts. */
import { runProgram } from '../support/command-line.js'
import { Coverage } from './coverage.js'
import { runEpisode, type EpisodeOptions, type EpisodeResult } from './episode.js'
import { readOptions, USAGE, type Options } from './options.js'
import { find, plant, PLANTED } from './planted.js'
import { shrink } from './shrink.js'
import { tellStory } from './story.js'

const SHOWN_MAX = 8
const PLANTED_SEEDS_MAX = 100
const STORIES_MAX = 3

await runProgram({ usage: USAGE, readOptions, run: simulate })

async function simulate({ planted, ...options }: Options): Promise<number> {
  const first = options.seed ?? Date.now() % 2 ** 32
  return planted ? findPlanted(first) : runSeeds(first, options)
}

async function runSeeds(
  first: number,
  { minutes, seeds, layout, kinds, story }: Omit<Options, 'planted'>,
): Promise<number> {
  const began = performance.now()
  const coverage = new Coverage()
  const total = { seeds: 0, faults: 0, struck: 0, deliveries: 0, virtualMs: 0, violating: [] as number[] }
  for (let n = 0; n < seeds && performance.now() - began < minutes * 60_000; n++) {
    const options = { seed: first + n, layout, kinds, coverage }
    if (story) await tellStory({ seed: options.seed, layout, kinds }, console.log)
    const result = await runEpisode(options)
    print(options.seed, result)
    total.seeds++
    total.faults += result.faults.flat().length
    total.struck += result.struck
    total.deliveries += result.deliveries
    total.virtualMs += result.virtualMs
    if (result.violations.length === 0) continue
    total.violating.push(options.seed)
    if (total.violating.length === 1) await explain({ seed: options.seed, layout, kinds }, result)
  }
  const hours = (total.virtualMs / 3_600_000).toFixed(1)
  const { seeds: count, faults, struck, deliveries, violating } = total
  console.log(`\n${count} seeds, ${hours} virtual hours, ${deliveries} deliveries checked`)
  console.log(`faults: ${faults} of programs, servers and links; ${struck} of single clients and messages`)
  console.log(`states: ${coverage.report().join('; ')}`)
  console.log(`violating seeds: ${violating.length === 0 ? 'none' : violating.join(', ')}`)
  return violating.length === 0 ? 0 : 1
}

/** Status 1: a bug was not found. */
async function findPlanted(first: number): Promise<number> {
  const seeds = Array.from({ length: PLANTED_SEEDS_MAX }, (_, n) => first + n)
  const told = new Set<string>()
  let missed = 0
  for (const bug of PLANTED) {
    const began = performance.now()
    const found = await find(bug, seeds)
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    if (found === null) {
      missed++
      console.log(`NOT found: ${bug.what}, ${seeds.length} seeds, ${seconds} s`)
      continue
    }
    const { seed, result } = found
    console.log(
      `found: ${bug.what}, in ${seed - first + 1} seeds, ${seconds} s: ${result.violations[0]!.what}`,
    )
    const { kinds, layout } = bug
    if (told.has(kinds.join()) || told.size >= STORIES_MAX) continue
    told.add(kinds.join())
    const undo = plant(bug)
    await explain({ seed, layout, kinds }, result).finally(undo)
  }
  return missed === 0 ? 0 : 1
}

function print(seed: number, { violations, faults, deliveries, virtualMs, trace }: EpisodeResult): void {
  console.log(
    `seed ${seed}: trace ${trace}, ${faults.flat().length} faults in ${(virtualMs / 1000).toFixed(0)} s, ` +
      `${deliveries} deliveries, ${violations.length} violations`,
  )
}

async function explain(options: EpisodeOptions, result: EpisodeResult): Promise<void> {
  const shortest = await shrink(options, result)
  console.log(`  the fewest faults of seed ${options.seed} that still violate it:`)
  await tellStory({ ...options, faults: shortest.faults }, console.log)
  for (const { invariant, what } of shortest.violations.slice(0, SHOWN_MAX))
    console.log(`  ${invariant} ${what}`)
}
