import { setTimeout as sleep } from 'node:timers/promises'
import { ACL_SETS, REQUIRED_ACL } from '../acl-sets.js'
import type { Contestant, Name } from '../contestants/contestant.js'
import type { Opened } from '../load/crowd-messages.js'
import type { EventKind } from '../load/event.js'
import { measureWindow, type Window, type WindowOrder } from '../measure/window.js'
import { turnOf, type Plan } from '../plan.js'
import type { Figures } from '../report/figures.js'
import type { Stage } from '../stage.js'

export interface Bench {
  readonly stage: Stage
  readonly plan: Plan
  readonly figures: Figures
  /** Says on the console how far it has got. */
  readonly say: (line: string) => void
}

export type Scenario = (bench: Bench) => Promise<void>

/** A client could not connect, or the like: what follows would say nothing. */
export class ScenarioError extends Error {}

/** To everybody, with a required ACL that all sets admit. */
export const TO_ALL: EventKind = { user: null, acls: [REQUIRED_ACL] }
/** A measurement that other work on the machine has spoilt is repeated. */
const TRIES_MAX = 3
const PAUSE_MS = 300

/** A token of wazo-auth's stand-in. */
export interface Owner {
  readonly token: string
  readonly user: string
}

/** As many tokens as wanted, of users of their own, with the ACLs in turn. */
export function mint({ stage }: Bench, tokens: number): Owner[] {
  return Array.from({ length: tokens }, (_, i) => {
    const { token, metadata } = stage.cluster.auth.mint({ acl: ACL_SETS[i % ACL_SETS.length]! })
    return { token, user: metadata.uuid }
  })
}

export function pathsOf(name: Name, sessions: number, owners: readonly Owner[]): string[] {
  return Array.from({ length: sessions }, (_, i) => {
    if (name === 'socket.io') return '/socket.io/?EIO=4&transport=websocket'
    return name === 'ours' ? `/?version=2&token=${owners[i % owners.length]!.token}` : '/'
  })
}

/** Connects the clients of a group. Throws ScenarioError. */
export async function connectAll(
  { stage, plan }: Bench,
  contestant: Contestant,
  group: string,
  paths: readonly string[],
): Promise<Opened> {
  const connectingMax = Math.min(400, plan.stormSessions)
  const opened = await stage.crowd.open(group, contestant, paths, connectingMax)
  if (opened.failures.length > 0) {
    await stage.crowd.close(group)
    throw new ScenarioError(`${contestant.name}: ${paths.length} clients: ${opened.failures.join('; ')}`)
  }
  return opened
}

/** Runs `once` for each name in each round, each first in its turn; the warm-up does not count. */
export async function interleaved<T>(
  { plan }: Bench,
  names: readonly T[],
  once: (name: T, counts: boolean, round: number) => Promise<void>,
): Promise<void> {
  for (let round = -plan.warmUpRounds; round < plan.rounds; round++)
    for (const name of turnOf(names, round)) await once(name, round >= 0, round)
}

/** Measures until it is valid, a few times; says so in the figures when it never was. */
export async function measured(
  { stage, figures, say }: Bench,
  scenario: string,
  order: Omit<WindowOrder, 'crowd'>,
): Promise<Window> {
  const { name } = order.contestant
  for (let tries = 1; ; tries++) {
    await sleep(PAUSE_MS)
    const window = await measureWindow({ crowd: stage.crowd, ...order })
    if (window.faults.length === 0) return window
    say(`${scenario}, ${name}: ${window.faults.join('; ')}`)
    if (tries < TRIES_MAX) continue
    for (const why of window.faults) figures.fault(scenario, name, why)
    return window
  }
}
