/** Runs one area: rounds of seeded inputs, until there were enough. */
import fc from 'fast-check'
import type { Area } from './area.js'
import { Heap } from './heap.js'
import { Outbursts } from './outbursts.js'

/** Inputs between two looks at what they left behind. */
const ROUND_INPUTS = 100
/** Making a failing input smaller ends after so long. */
const SHRINK_MS_MAX = 60_000
const HEAP_SAMPLES = 20
const GOLDEN_RATIO = 0x9e3779b1

export interface Wanted {
  readonly seed: number
  /** The area ends after so many units, */
  readonly units: number
  /** or after so long, whichever comes first. */
  readonly ms: number
}

export interface Outcome {
  readonly area: string
  readonly units: number
  readonly ms: number
  /** Bytes per unit, and in all after the warm-up. */
  readonly heapSlope: number
  readonly heapGrowth: number
  readonly outcomes: string
  /** What did not hold, with the smallest input that shows it; null: everything held. */
  readonly violation: string | null
}

/** The same seed gives the same inputs. */
export async function runArea<Input>(
  area: Area<Input>,
  { seed, units: wanted, ms }: Wanted,
): Promise<Outcome> {
  const subject = await area.open()
  const heap = new Heap()
  const outbursts = new Outbursts()
  const began = performance.now()
  let units = 0
  let violation: string | null = null
  let [progress, sampled] = [0, -1]
  const property = fc.asyncProperty(area.inputs, async (input) => {
    units += await subject.take(input)
    outbursts.rethrow()
  })
  for (let round = 0; violation === null && progress < 1; round++) {
    const details = await fc.check(property, {
      seed: (seed + Math.imul(round, GOLDEN_RATIO)) | 0,
      numRuns: ROUND_INPUTS,
      interruptAfterTimeLimit: SHRINK_MS_MAX,
    })
    if (details.failed) violation = `${textOf(details.errorInstance)}\n${fc.defaultReportMessage(details)}`
    else violation = await faultOf(() => subject.settle?.())
    progress = Math.max(units / wanted, (performance.now() - began) / ms)
    if (Math.floor(progress * HEAP_SAMPLES) > sampled) heap.sample(units)
    sampled = Math.floor(progress * HEAP_SAMPLES)
  }
  const took = performance.now() - began
  violation ??= heap.isFlat ? null : `the memory in use grows by ${Math.round(heap.slope)} bytes per unit`
  violation ??= await faultOf(() => subject.close?.())
  outbursts.stop()
  return {
    ...{ area: area.name, units, ms: took, violation, outcomes: String(subject.outcomes) },
    ...{ heapSlope: heap.slope, heapGrowth: heap.growth },
  }
}

async function faultOf(task: () => void | Promise<void>): Promise<string | null> {
  try {
    await task()
    return null
  } catch (error) {
    return textOf(error)
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
