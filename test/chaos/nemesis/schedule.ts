import { Random } from '../load/random.js'
import { KINDS, type Kind } from './kinds.js'

/** One fault to come. */
export interface Fault {
  readonly kind: Kind
  /** Quiet time before it, once the cluster is well. */
  readonly pauseMs: number
  readonly lastsMs: number
  /** 0 <= aim < 1: which of the possible victims. */
  readonly aim: number
}

const PAUSE_MS = [300, 2500] as const

/**
 * The faults of a run, as many rounds as wanted. A round has each kind once, so that none comes up much less
 * often than another. A pure function of its arguments.
 */
export function schedule(seed: number, kinds: readonly Kind[], rounds: number): Fault[] {
  const random = new Random(seed)
  const faultOf = (kind: Kind): Fault => ({
    kind,
    pauseMs: Math.round(random.between(...PAUSE_MS)),
    lastsMs: Math.round(random.between(...KINDS[kind].lastsMs)),
    aim: random.next(),
  })
  return Array.from({ length: rounds }, () => random.shuffle(kinds).map(faultOf)).flat()
}
