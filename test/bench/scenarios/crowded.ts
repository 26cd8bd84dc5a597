/** What many sessions cost: when idle, for an event that one of them gets, and by their ACLs. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ACL_SETS, distinctDecisions, REQUIRED_ACL } from '../acl-sets.js'
import type { Contestant } from '../contestants/contestant.js'
import { cpuOf, difference, measureWindow, perDelivery } from '../measure/window.js'
import { broker } from './broker.js'
import {
  connectAll,
  interleaved,
  measured,
  mint,
  pathsOf,
  type Bench,
  type Owner,
  type Scenario,
} from './scenario.js'

const WORKERS = 2
const SMALL = 'small'
const MEDIUM = 'medium'
const LARGE = 'large'
const SIZES = [SMALL, MEDIUM, LARGE] as const
/** What is left of connecting: look-ups, jobs, garbage. */
const CALM_MS = 10_000
/** Workers tell their primary of their metrics every now and then. */
const METRIC_MS = 4_000
/** Users whose own events are counted. */
const PERSONAL_USERS = 4

type Size = (typeof SIZES)[number]

interface Edge {
  readonly contestant: Contestant
  readonly sessions: number
  readonly owners: readonly Owner[]
}

export const crowded: Scenario = async (bench) => {
  const { stage, plan } = bench
  const edges: Record<Size, Edge> = {
    small: await edgeOf(bench, plan.smallSessions),
    medium: await edgeOf(bench, plan.mediumSessions),
    large: await edgeOf(bench, plan.largeSessions),
  }
  await populate(bench, SMALL, edges.small)
  // Everything that takes part has its connections before they are counted.
  await stage.send({
    amqpUrl: stage.cluster.amqpUrl,
    exchange: 'wazo-headers',
    kind: { user: null, acls: [REQUIRED_ACL] },
    pace: { events: 1, batch: 1, perSecond: 1 },
  })
  await broker(bench, plan.smallSessions)
  await populate(bench, MEDIUM, edges.medium)
  await populate(bench, LARGE, edges.large)
  await broker(bench, plan.smallSessions + plan.mediumSessions + plan.largeSessions)
  await sleep(CALM_MS)
  await idle(bench, edges)
  await oneUser(bench, edges)
  await oneUserLatency(bench, edges)
  await aclCpu(bench, edges.large)
  await aclDecisions(bench, edges.large)
  for (const size of SIZES) {
    await stage.crowd.close(size)
    await edges[size].contestant.stop()
  }
}

async function edgeOf(bench: Bench, sessions: number): Promise<Edge> {
  return { contestant: await bench.stage.fresh('ours'), sessions, owners: mint(bench, sessions) }
}

async function populate(bench: Bench, size: Size, { contestant, sessions, owners }: Edge): Promise<void> {
  await connectAll(bench, contestant, size, pathsOf('ours', sessions, owners))
  bench.say(`${sessions} sessions connected`)
}

/** CPU per second of the edges with nothing to deliver. A window is as long as the interval of pings. */
async function idle({ plan, figures, say }: Bench, edges: Record<Size, Edge>): Promise<void> {
  for (let round = 0; round < plan.rounds; round++) {
    const before = SIZES.map((size) => cpuOf(edges[size].contestant))
    const from = performance.now()
    await sleep(plan.idleSeconds * 1_000)
    const seconds = (performance.now() - from) / 1_000
    for (const [i, size] of SIZES.entries()) {
      const { server } = difference(cpuOf(edges[size].contestant), before[i]!)
      const { sessions } = edges[size]
      figures.add('idle', size, {
        sessions,
        'server us/s': server / seconds,
        'server us/s per session': server / seconds / sessions,
      })
    }
  }
  const [small = NaN, large = NaN] = [SMALL, LARGE].map((size) => figures.median('idle', size, 'server us/s'))
  const more = edges.large.sessions - edges.small.sessions
  figures.add('idle', 'difference', { sessions: more, 'server us/s per session': (large - small) / more })
  if (large <= small)
    figures.fault('idle', 'difference', 'more sessions used less CPU: something else was measured')
  say('idle done')
}

/** Events for one user. What the edge does without events is taken off: that many sessions are pinged is not theirs. */
async function oneUser(bench: Bench, edges: Record<Size, Edge>): Promise<void> {
  const { stage, plan, figures } = bench
  await interleaved(bench, SIZES, async (size, counts) => {
    const { contestant, sessions, owners } = edges[size]
    const only = stage.crowd.observedFrom(sessions / 2)
    const kind = { user: owners[only]!.user, acls: [REQUIRED_ACL] }
    const order = { contestant, group: size, sessions, kind, pace: plan.oneUser, only }
    const window = await measured(bench, 'one user', order)
    if (!counts) return
    const idleUs = (figures.median('idle', size, 'server us/s') * window.wallMs) / 1_000
    figures.add('one user', size, {
      sessions,
      ...perDelivery(window),
      'server us/event without idle': (window.cpuUs.server - idleUs) / window.expected,
    })
  })
  bench.say('one user done')
}

/** One user's events at a rate at which nothing is busy, with few and with many sessions that idle beside it: how long they take. */
async function oneUserLatency(bench: Bench, edges: Record<Size, Edge>): Promise<void> {
  const { stage, plan, figures, say } = bench
  await interleaved(bench, SIZES, async (size, counts) => {
    const { contestant, sessions, owners } = edges[size]
    const only = stage.crowd.observedFrom(sessions / 2)
    const kind = { user: owners[only]!.user, acls: [REQUIRED_ACL] }
    const pace = plan.oneUserCalm
    const order = { contestant, group: size, sessions, kind, pace, only }
    const window = await measured(bench, 'one user, calm', order)
    if (counts) figures.add('one user, calm', size, { sessions, ...perDelivery(window) })
  })
  say('one user, calm done')
}

async function aclCpu(bench: Bench, { contestant, sessions }: Edge): Promise<void> {
  const { plan, figures } = bench
  const kinds = { required_acl: [REQUIRED_ACL], null: [null] } as const
  await interleaved(bench, ['required_acl', 'null'] as const, async (name, counts) => {
    const kind = { user: null, acls: kinds[name] }
    const window = await measured(bench, 'ACL', { contestant, group: LARGE, sessions, kind, pace: plan.acl })
    if (counts) figures.add('ACL', name, { sessions, ...perDelivery(window) })
  })
  bench.say('ACL done')
}

/** New required ACLs, and some that name a user: how often an ACL was really looked at. */
async function aclDecisions(bench: Bench, { contestant, sessions, owners }: Edge): Promise<void> {
  const { stage, plan, figures } = bench
  await sleep(METRIC_MS)
  const edge = stage.cluster.edges.find(({ url }) => url.endsWith(`:${contestant.port}`))!
  const before = await edge.metric('acl_evaluations_total')
  const named = owners.slice(0, PERSONAL_USERS)
  const strings = Array.from({ length: plan.aclStrings }, (_, i) => `events.calls.n${i}`)
  const order = { crowd: stage.crowd, contestant, group: LARGE, sessions }
  for (const { user } of named) {
    // To everybody: all ACLs are asked, and those with `me` of that user alone admit it.
    const kind = { user: null, acls: [`events.users.${user}.bench`] }
    await contestant.run(kind, { events: plan.aclRepeats, batch: 1, perSecond: 10 })
  }
  await sleep(METRIC_MS)
  const events = plan.aclStrings * plan.aclRepeats
  const perSecond = plan.acl.perSecond
  const window = await measureWindow({
    ...order,
    kind: { user: null, acls: strings },
    pace: { events, batch: 1, perSecond },
  })
  for (const why of window.faults) figures.fault('ACL decisions', 'ours', why)
  await sleep(METRIC_MS)
  const sets = named.map((_, i) => i % ACL_SETS.length)
  figures.add('ACL decisions', 'ours', {
    sessions,
    'asked for': (events + named.length * plan.aclRepeats) * sessions,
    expected: distinctDecisions(WORKERS, plan.aclStrings, sets),
    evaluations: (await edge.metric('acl_evaluations_total')) - before,
  })
}
