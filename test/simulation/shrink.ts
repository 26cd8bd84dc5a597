import type { Violation } from '../support/checker/history.js'
import { runEpisode, type EpisodeOptions, type EpisodeResult } from './episode.js'
import type { FaultGroup } from './faults.js'

/**
 * Finds fewer faults that still violate what `result` did: whole groups are left out as long as one of the same invariants
 * breaks, and then single faults of those that are left.
 */
export async function shrink(options: EpisodeOptions, result: EpisodeResult): Promise<EpisodeResult> {
  const wanted = new Set(result.violations.map(({ invariant }) => invariant))
  let best = result
  const tryWith = async (faults: readonly FaultGroup[]): Promise<boolean> => {
    const shorter = await runEpisode({ ...options, faults })
    const isSame = shorter.violations.some(({ invariant }: Violation) => wanted.has(invariant))
    if (isSame) best = shorter
    return isSame
  }
  for (let size = Math.ceil(best.faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let at = best.faults.length - size; at >= 0; at -= size)
      await tryWith(best.faults.toSpliced(at, size))
  for (let g = 0; g < best.faults.length; g++)
    for (let f = best.faults[g]!.length - 1; f >= 0 && best.faults[g]!.length > 1; f--)
      await tryWith(best.faults.with(g, best.faults[g]!.toSpliced(f, 1)))
  return best
}
