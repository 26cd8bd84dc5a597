/** `npm run fuzz`: see options.ts. */
import { areas } from './areas/all.js'
import { readOptions, USAGE, type Options } from './options.js'
import { runProgram } from '../support/command-line.js'
import { runArea, type Outcome } from './run.js'

const MINUTE_MS = 60_000
const SHOWN_CHARACTERS_MAX = 4_000

await runProgram({ usage: USAGE, readOptions, run: fuzz })

async function fuzz({ seed: given, minutes, only }: Options): Promise<number> {
  const seed = given ?? Date.now() % 2 ** 32
  const ms = minutes === null ? Infinity : (minutes * MINUTE_MS) / only.length
  console.log(`seed ${seed}`)
  let violations = 0
  for (const name of only) {
    const area = areas.get(name)!
    const outcome = await runArea(area, { seed, units: minutes === null ? area.total : Infinity, ms })
    console.log(lineOf(outcome, area.unit))
    if (outcome.violation === null) continue
    violations++
    console.log(`VIOLATION in ${name} (--seed ${seed} --only ${name}): ${shown(outcome.violation)}`)
  }
  console.log(
    `seed ${seed}: ${violations === 0 ? 'everything held' : `${violations} areas with a violation`}`,
  )
  return violations === 0 ? 0 : 1
}

function lineOf({ area, units, ms, heapSlope, heapGrowth, outcomes }: Outcome, unit: string): string {
  const seconds = ms / 1_000
  const figures = [
    `${units} ${unit}`,
    `${seconds.toFixed(1)} s`,
    `${Math.round(units / seconds)}/s`,
    `memory ${heapSlope.toFixed(2)} bytes per unit, ${(heapGrowth / 1024).toFixed(0)} KiB after the warm-up`,
  ]
  return `${area}: ${figures.join('; ')}\n  ${outcomes}`
}

function shown(text: string): string {
  return text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}...` : text
}
