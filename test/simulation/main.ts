/** `npm run simulate`: see options.ts. */
import { runProgram } from '../support/command-line.js'
import { Coverage } from './coverage.js'
import { runEpisode, type EpisodeOptions, type EpisodeResult } from './episode.js'
import { readOptions, USAGE, type Options } from './options.js'
import { shrink } from './shrink.js'
import { tellStory } from './story.js'

const SHOWN_MAX = 8

await runProgram({ usage: USAGE, readOptions, run: simulate })

async function simulate({ seed, minutes, seeds, layout, kinds, story }: Options): Promise<number> {
  const first = seed ?? Date.now() % 2 ** 32
  const began = performance.now()
  const coverage = new Coverage()
  const total = { seeds: 0, faults: 0, deliveries: 0, virtualMs: 0, violating: [] as number[] }
  for (let n = 0; n < seeds && performance.now() - began < minutes * 60_000; n++) {
    const options = { seed: first + n, layout, kinds, coverage }
    if (story) await tellStory({ seed: options.seed, layout, kinds }, console.log)
    const result = await runEpisode(options)
    print(options.seed, result)
    total.seeds++
    total.faults += result.faults.flat().length
    total.deliveries += result.deliveries
    total.virtualMs += result.virtualMs
    if (result.violations.length === 0) continue
    total.violating.push(options.seed)
    if (total.violating.length === 1) await explain({ seed: options.seed, layout, kinds }, result)
  }
  const hours = (total.virtualMs / 3_600_000).toFixed(1)
  const { seeds: count, faults, deliveries, violating } = total
  console.log(`\n${count} seeds, ${hours} virtual hours, ${faults} faults, ${deliveries} deliveries checked`)
  console.log(`states: ${coverage.report().join('; ')}`)
  console.log(`violating seeds: ${violating.length === 0 ? 'none' : violating.join(', ')}`)
  return violating.length === 0 ? 0 : 1
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
