import { Random } from '../../support/scenario/random.js'
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
/** Of four upgrades in a row. */
const UPGRADES: readonly Kind[] = ['edge-upgrade', 'edge-upgrade', 'edge-upgrade', 'edge-upgrade-kill']
/** How often a worker is killed between one upgrade and the next. */
const KILL_CHANCE = 0.7

/**
 * The faults of a run, as many rounds as wanted. A round has each kind once, so that none comes up much less
 * often than another. A pure function of its arguments.
 */
export function schedule(seed: number, kinds: readonly Kind[], rounds: number): Fault[] {
  const random = new Random(seed)
  return Array.from({ length: rounds }, () =>
    random.shuffle(kinds).map((kind) => faultOf(random, kind)),
  ).flat()
}

/** Upgrades one after the other, four a round, with workers killed during one of them and between some. Pure. */
export function scheduleOfUpgrades(seed: number, rounds: number): Fault[] {
  const random = new Random(seed)
  const withKill = (kind: Kind): Kind[] => (random.chance(KILL_CHANCE) ? [kind, 'worker-kill'] : [kind])
  return Array.from({ length: rounds }, () =>
    random
      .shuffle(UPGRADES)
      .flatMap(withKill)
      .map((kind) => faultOf(random, kind)),
  ).flat()
}

function faultOf(random: Random, kind: Kind): Fault {
  return {
    kind,
    pauseMs: Math.round(random.between(...PAUSE_MS)),
    lastsMs: Math.round(random.between(...KINDS[kind].lastsMs)),
    aim: random.next(),
  }
}
