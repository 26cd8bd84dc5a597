/** Bugs planted into the project's own classes, each of which takes a promise away: the checker has to find it. */
import { RedisTickets } from '@wazo-websocketd/edge/drain/redis-tickets'
import { Outbox, type FrameTarget } from '@wazo-websocketd/edge/deliver/outbox'
import { AclDecision } from '@wazo-websocketd/edge/route/acl-decision'
import { Connection } from '@wazo-websocketd/edge/session/connection'
import { ConnectionTable } from '@wazo-websocketd/edge/session/connection-table'
import { Sessions } from '@wazo-websocketd/edge/session/sessions'
import { StreamHistory } from '@wazo-websocketd/ingest/attach/history'
import { Continuity } from '@wazo-websocketd/ingest/publish/continuity'
import { PublishLoop } from '@wazo-websocketd/ingest/publish/publish-loop'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Ticket } from '@wazo-websocketd/edge/drain/tickets'
import type { Invariant } from '../support/checker/history.js'
import { runEpisode, type EpisodeResult } from './episode.js'
import type { Kind, Layout } from './faults.js'
import { TokenServer } from './wazo.js'

type Method = (this: never, ...args: never[]) => unknown

/** One method of a class, and what takes its place. */
interface Override {
  readonly of: { readonly prototype: object }
  readonly name: string
  readonly make: (own: Method) => Method
}

export interface PlantedBug {
  readonly what: string
  /** One of these finds it first. */
  readonly finds: readonly Invariant[]
  readonly kinds: readonly Kind[]
  readonly layout: Layout
  /** Anew for each run: some keep a state. */
  readonly overrides: () => readonly Override[]
}

/** How often a delivery is tampered with. */
const SHARE = 0.002

const instead = (of: Override['of'], name: string, method: Method): Override => ({
  ...{ of, name },
  make: () => method,
})

type Deliver = (this: Outbox, target: FrameTarget, event: BusEvent) => void

const delivery = (make: (own: Deliver) => Deliver): Override => ({
  ...{ of: Outbox, name: 'deliver' },
  make: (own) => make(own as unknown as Deliver),
})

type Take = RedisTickets['take']

/** Tickets lead so many offsets away from where their session ended. */
function shiftTickets(by: number): Override {
  const make = (own: Take): Take =>
    async function (this: RedisTickets, ...args) {
      const ticket: Ticket | null = await own.apply(this, args)
      if (ticket === null) return null
      const shifted = [...ticket.positions].map(
        ([partition, { epoch, offset }]) => [partition, { epoch, offset: offset + by }] as const,
      )
      return { id: ticket.id, positions: new Map(shifted) }
    }
  return { of: RedisTickets, name: 'take', make: (own) => make(own as unknown as Take) }
}

/** The two after which a target is given its events in the wrong order. */
function swapped(): Override {
  const held = new Map<FrameTarget, BusEvent>()
  return delivery(
    (own) =>
      function (target, event) {
        const before = held.get(target)
        if (before === undefined && Math.random() < SHARE) {
          held.set(target, event)
          return
        }
        own.call(this, target, event)
        if (before === undefined) return
        held.delete(target)
        own.call(this, target, before)
      },
  )
}

/** A session is given the last event of all that it may see, before it starts. */
function early(): readonly Override[] {
  let last: BusEvent | null = null
  return [
    delivery(
      (own) =>
        function (target, event) {
          last = event
          own.call(this, target, event)
        },
    ),
    {
      ...{ of: Connection, name: 'open' },
      make: (own) =>
        function (this: Connection) {
          own.call(this as never)
          if (last !== null) this.deliver(last)
        },
    },
  ]
}

const QUIET: readonly Kind[] = ['amqp-reset']

export const PLANTED: readonly PlantedBug[] = [
  {
    what: 'an ingest that forgets where the stream was',
    ...{ finds: ['I2', 'I3'], kinds: ['redis-empty'], layout: 'single' },
    overrides: () => [instead(StreamHistory, 'start', () => null)],
  },
  {
    what: 'sessions that are not told of a loss',
    ...{ finds: ['I2', 'I3'], kinds: ['rabbit-leader'], layout: 'cluster' },
    overrides: () => [instead(Sessions, 'lost', () => 0)],
  },
  {
    what: 'a loss in the stream that nobody notices',
    ...{ finds: ['I3'], kinds: ['rabbit-leader'], layout: 'cluster' },
    overrides: () => [
      instead(Continuity, 'accept', () => true),
      instead(PublishLoop, 'isStalled', () => false),
    ],
  },
  {
    what: 'an event that is dropped now and then',
    ...{ finds: ['I2'], kinds: QUIET, layout: 'single' },
    overrides: () => [
      delivery(
        (own) =>
          function (target, event) {
            if (Math.random() >= SHARE) own.call(this, target, event)
          },
      ),
    ],
  },
  {
    what: 'an event that is doubled now and then',
    ...{ finds: ['I1'], kinds: QUIET, layout: 'single' },
    overrides: () => [
      delivery(
        (own) =>
          function (target, event) {
            own.call(this, target, event)
            if (Math.random() < SHARE) own.call(this, target, event)
          },
      ),
    ],
  },
  {
    what: 'two events that are swapped now and then',
    ...{ finds: ['I1', 'I2'], kinds: QUIET, layout: 'single' },
    overrides: () => [swapped()],
  },
  {
    what: 'ACLs that nobody asks',
    ...{ finds: ['I4'], kinds: QUIET, layout: 'single' },
    overrides: () => [instead(AclDecision, 'admits', () => true)],
  },
  {
    what: 'a deleted token whose sessions go on',
    ...{ finds: ['I5'], kinds: QUIET, layout: 'single' },
    overrides: () => [instead(ConnectionTable, 'revoke', () => undefined)],
  },
  {
    what: 'an event before the start',
    ...{ finds: ['I1', 'I2', 'I4'], kinds: QUIET, layout: 'single' },
    overrides: early,
  },
  {
    what: 'sessions that outlive their token',
    ...{ finds: ['I5'], kinds: QUIET, layout: 'single' },
    overrides: () => [
      {
        ...{ of: TokenServer, name: 'reachedBy' },
        make: (own) =>
          function (this: TokenServer, ...args: never[]) {
            const reached = own.apply(this as never, args) as ReturnType<TokenServer['reachedBy']>
            return { ...reached, watch: () => ({ stop: () => undefined }) }
          },
      },
    ],
  },
  {
    what: 'a drain that costs an event',
    ...{ finds: ['I2'], kinds: ['host-drain'], layout: 'single' },
    overrides: () => [shiftTickets(1)],
  },
  {
    what: 'a drain that gives an event again',
    ...{ finds: ['I1'], kinds: ['host-drain'], layout: 'single' },
    overrides: () => [shiftTickets(-1)],
  },
]

/** Overwrites the methods; returns what undoes that. */
export function plant({ overrides }: PlantedBug): () => void {
  const undo = overrides().map(({ of, name, make }) => {
    const holder = of.prototype as Record<string, unknown>
    const own = holder[name]
    if (typeof own !== 'function') throw new Error(`no method ${name}`)
    holder[name] = make(own as Method)
    return () => (holder[name] = own)
  })
  return () => {
    for (const each of undo.reverse()) each()
  }
}

/** The first seed of `seeds` that violates something with the bug planted, and what; null: none does. */
export async function find(
  bug: PlantedBug,
  seeds: readonly number[],
): Promise<{ readonly seed: number; readonly result: EpisodeResult } | null> {
  for (const seed of seeds) {
    const undo = plant(bug)
    try {
      const result = await runEpisode({ seed, layout: bug.layout, kinds: bug.kinds })
      if (result.violations.length > 0) return { seed, result }
    } finally {
      undo()
    }
  }
  return null
}
