/** How much is measured. Pure. */
import type { Pace } from './load/pace.js'

export interface Plan {
  /** Measurements of which the median counts. */
  readonly rounds: number
  /** Before them; what is not compiled yet is slower. */
  readonly warmUpRounds: number
  /** Clients of each server for single events and bursts. */
  readonly sessions: number
  readonly singles: Pace
  readonly bursts: Pace
  /** Of three edges beside each other. */
  readonly smallSessions: number
  readonly mediumSessions: number
  readonly largeSessions: number
  readonly oneUser: Pace
  readonly oneUserCalm: Pace
  readonly acl: Pace
  /** Required ACLs of which the evaluations are counted, and how often each comes. */
  readonly aclStrings: number
  readonly aclRepeats: number
  readonly idleSeconds: number
  readonly memorySessions: number
  readonly stormSessions: number
  readonly stormTokens: number
  /** Clients for latency and saturation. */
  readonly ladderSessions: number
  readonly ladderSeconds: number
  readonly ladderStepsMax: number
  readonly latencySeconds: number
  readonly ingestMessages: number
  readonly expiryTokens: number
  readonly expiryRounds: number
  readonly latenessJobs: number
  readonly latenessSeconds: number
  /** Sessions of the scaling curve, at about so many deliveries per second. */
  readonly scaling: readonly number[]
  readonly scalingDeliveriesPerSecond: number
  readonly scalingSeconds: number
}

/** Some 30 to 40 minutes. */
export const FULL: Plan = {
  rounds: 5,
  warmUpRounds: 1,
  sessions: 1_000,
  singles: { events: 120, batch: 1, perSecond: 30 },
  bursts: { events: 300, batch: 100, perSecond: 50 },
  smallSessions: 100,
  mediumSessions: 1_000,
  largeSessions: 10_000,
  oneUser: { events: 4_000, batch: 1, perSecond: 1_000 },
  oneUserCalm: { events: 300, batch: 1, perSecond: 50 },
  acl: { events: 12, batch: 1, perSecond: 3 },
  aclStrings: 10,
  aclRepeats: 2,
  idleSeconds: 30,
  memorySessions: 10_000,
  stormSessions: 5_000,
  stormTokens: 1_000,
  ladderSessions: 200,
  ladderSeconds: 4,
  ladderStepsMax: 12,
  latencySeconds: 6,
  ingestMessages: 40_000,
  expiryTokens: 100_000,
  expiryRounds: 5,
  latenessJobs: 2_000,
  latenessSeconds: 20,
  scaling: [100, 1_000, 10_000],
  scalingDeliveriesPerSecond: 20_000,
  scalingSeconds: 6,
}

/** Some five minutes: shows that everything runs, and the order of magnitude. */
export const QUICK: Plan = {
  rounds: 1,
  warmUpRounds: 1,
  sessions: 200,
  singles: { events: 45, batch: 1, perSecond: 30 },
  bursts: { events: 200, batch: 100, perSecond: 100 },
  smallSessions: 50,
  mediumSessions: 200,
  largeSessions: 1_000,
  oneUser: { events: 1_500, batch: 1, perSecond: 1_000 },
  oneUserCalm: { events: 60, batch: 1, perSecond: 50 },
  acl: { events: 20, batch: 1, perSecond: 10 },
  aclStrings: 10,
  aclRepeats: 2,
  idleSeconds: 5,
  memorySessions: 2_000,
  stormSessions: 1_000,
  stormTokens: 200,
  ladderSessions: 100,
  ladderSeconds: 2,
  ladderStepsMax: 4,
  latencySeconds: 2,
  ingestMessages: 5_000,
  expiryTokens: 5_000,
  expiryRounds: 2,
  latenessJobs: 300,
  latenessSeconds: 4,
  scaling: [100, 1_000],
  scalingDeliveriesPerSecond: 8_000,
  scalingSeconds: 2,
}

/** The names in an order in which each comes first in its turn. */
export function turnOf<T>(names: readonly T[], round: number): T[] {
  const { length } = names
  return names.map((_, i) => names[(((i + round) % length) + length) % length]!)
}
