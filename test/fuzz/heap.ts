import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** The part of a run after which caches and compiled code have the size that they keep. */
const WARM_UP_SHARE = 0.3
const MIB = 1024 * 1024
/** What is in use after the warm-up, and at the end, may differ by so much. */
const GROWTH_BYTES_MAX = 8 * MIB

interface Sample {
  readonly units: number
  readonly bytes: number
}

/** Watches the memory in use over a run. */
export class Heap {
  private readonly samples: Sample[] = []

  /** Collects garbage, and notes what is left after so many units. */
  sample(units: number): void {
    collectGarbage()
    const { heapUsed, external } = process.memoryUsage()
    this.samples.push({ units, bytes: heapUsed + external })
  }

  /** Bytes per unit after the warm-up, by least squares; 0: too short a run to tell. */
  get slope(): number {
    const samples = this.warm
    if (samples.length < 3) return 0
    const mean = (of: (sample: Sample) => number) =>
      samples.reduce((sum, s) => sum + of(s), 0) / samples.length
    const [units, bytes] = [mean((s) => s.units), mean((s) => s.bytes)]
    const covariance = mean((s) => (s.units - units) * (s.bytes - bytes))
    const variance = mean((s) => (s.units - units) ** 2)
    return variance === 0 ? 0 : covariance / variance
  }

  /** By how much the memory in use grew after the warm-up, in bytes, by that slope. */
  get growth(): number {
    const [first, last] = [this.warm[0], this.warm.at(-1)]
    return first === undefined || last === undefined ? 0 : this.slope * (last.units - first.units)
  }

  get isFlat(): boolean {
    return this.growth <= GROWTH_BYTES_MAX
  }

  private get warm(): readonly Sample[] {
    const end = this.samples.at(-1)?.units ?? 0
    return this.samples.filter(({ units }) => units >= WARM_UP_SHARE * end)
  }
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
}
