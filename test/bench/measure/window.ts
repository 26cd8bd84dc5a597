import { ROLES, type Contestant, type Role } from '../contestants/contestant.js'
import type { Crowd, Received } from '../load/crowd.js'
import type { EventKind } from '../load/event.js'
import type { Pace } from '../load/pace.js'
import type { Sent } from '../load/sender-messages.js'
import { cpuUsOf } from './cpu.js'

/** A load generator above it measures itself. */
export const GENERATOR_SHARE_MAX = 0.8
/** Events that are sent later than this, in milliseconds, were another load. */
const LATE_MS_MAX = 100
/** What a server may need after the last event was sent. */
const TAIL_MS_MAX = 30_000
const US_PER_MS = 1_000

export interface WindowOrder {
  readonly crowd: Crowd
  readonly contestant: Contestant
  readonly group: string
  readonly sessions: number
  readonly kind: EventKind
  readonly pace: Pace
  /** The only client that gets the events; null: all do. */
  readonly only?: number | null
}

/** One load on one server. */
export interface Window {
  readonly deliveries: number
  readonly expected: number
  /** Microseconds, by role. */
  readonly cpuUs: Readonly<Record<Role, number>>
  /** From the first event until all had all. */
  readonly wallMs: number
  readonly received: Received
  readonly generatorShare: number
  /** What makes it worthless. */
  readonly faults: readonly string[]
}

/** Measures; rejects only when a process has ended. */
export async function measureWindow(order: WindowOrder): Promise<Window> {
  const { crowd, contestant, group, sessions, kind, pace, only = null } = order
  const tailMs = (1_000 * pace.events) / pace.perSecond + TAIL_MS_MAX
  await crowd.arm(group)
  const before = cpuOf(contestant)
  const from = performance.now()
  const [sent, received] = await Promise.all([
    contestant.run(kind, pace),
    only === null
      ? crowd.count(group, pace.events, tailMs)
      : crowd.countOne(group, only, pace.events, tailMs),
  ])
  const wallMs = performance.now() - from
  const after = cpuOf(contestant)
  const expected = pace.events * (only === null ? sessions : 1)
  const generatorShare = Math.max(received.cpuShare, sent?.cpuShare ?? 0)
  return {
    deliveries: received.events,
    expected,
    cpuUs: difference(after, before),
    wallMs,
    received,
    generatorShare,
    faults: faultsOf(received, expected, generatorShare, sent),
  }
}

/** CPU per delivery in microseconds, by role, and what clients saw. */
export function perDelivery(window: Window): Record<string, number> {
  const { deliveries, cpuUs, received, generatorShare } = window
  const measures: Record<string, number> = {}
  for (const role of ROLES) measures[`${role} us/delivery`] = cpuUs[role] / deliveries
  return { ...measures, ...latencyMs(received), 'generator share': generatorShare }
}

/** Percentiles in milliseconds; without any where the events bear no time. */
export function latencyMs({ latency }: Received): Record<string, number> {
  if (latency.totalCount === 0) return {}
  return {
    'p50 ms': latency.getValueAtPercentile(50) / US_PER_MS,
    'p99 ms': latency.getValueAtPercentile(99) / US_PER_MS,
    'p99.9 ms': latency.getValueAtPercentile(99.9) / US_PER_MS,
  }
}

export function cpuOf({ pids }: Contestant): Record<Role, number> {
  return {
    server: cpuUsOf(pids.server),
    feed: cpuUsOf(pids.feed),
    redis: cpuUsOf(pids.redis),
    rabbitmq: cpuUsOf(pids.rabbitmq),
  }
}

export function difference(after: Record<Role, number>, before: Record<Role, number>): Record<Role, number> {
  return {
    server: after.server - before.server,
    feed: after.feed - before.feed,
    redis: after.redis - before.redis,
    rabbitmq: after.rabbitmq - before.rabbitmq,
  }
}

function faultsOf(received: Received, expected: number, share: number, sent: Sent | null): string[] {
  const faults = received.lost.map((why) => `a client was lost: ${why}`)
  if (received.events !== expected) faults.push(`${received.events} deliveries instead of ${expected}`)
  if (share >= GENERATOR_SHARE_MAX)
    faults.push(`a load generator used ${Math.round(share * 100)} % of a core`)
  if (sent !== null && sent.lateMs > LATE_MS_MAX) faults.push(`events were sent ${sent.lateMs} ms late`)
  return faults
}
