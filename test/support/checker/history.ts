/**
 * What was recorded of a run. The checker is a pure function of it.
 *
 * All times are milliseconds of the machine's monotonic clock, which is the same in all its processes.
 */

/** What decides who may see an event; events refer to it by its index, for there are few kinds of them. */
export interface Shape {
  readonly name: string
  /** null: a service event. */
  readonly tenant: string | null
  readonly users: readonly string[]
  /** `user_uuid:*` */
  readonly everyone: boolean
  readonly requiredAcl: string | null
  /** Not an event at all: to be dropped by the ingest, for a counted reason. */
  readonly poison?: boolean
  /** Of `redis.partitions`; 0 when absent. */
  readonly partition?: number
}

export interface Published {
  readonly id: number
  readonly shape: number
  readonly sentAt: number
  /** When the broker confirmed it; null: never heard. */
  readonly confirmedAt: number | null
  /** The session_uuid that the event says has ended. */
  readonly revokes?: string
}

/** One message of the broker's stream. The order of these records is the order on the bus. */
export interface Streamed {
  readonly id: number
  readonly offset: number
  readonly seenAt: number
}

export interface Token {
  readonly session_uuid: string
  readonly acl: readonly string[]
  readonly metadata: {
    readonly uuid: string
    readonly tenant_uuid: string
    readonly purpose: string
    readonly admin: boolean
  }
  readonly expiresAt: number
  /** Just before wazo-auth was told to forget it. */
  deletedAt: number | null
}

/** While a started session had one token and one set of subscriptions. */
export interface Phase {
  /** How many events the session had received when the reply came that began it. */
  readonly from: number
  /** The session_uuid of the token. */
  readonly token: string
  readonly subscriptions: readonly string[]
  readonly askedAt: number
  readonly answeredAt: number
}

export interface Session {
  readonly name: string
  /** Index of the edge host. */
  readonly host: number
  /** The session_uuid of the token that it connected with. */
  readonly token: string
  readonly connectedAt: number
  /** The first one begins with the reply to `start`. */
  readonly phases: readonly Phase[]
  readonly startAskedAt: number | null
  /** Its client is cut off or hangs at random: how long an event took to get to it says nothing of the cluster. */
  readonly isCut?: true
  /** Also of an op `token` that got no reply: the session_uuid, and when it was sent. */
  readonly tokenAsked?: { readonly token: string; readonly at: number }
  /** Of a session that presented a position: the name of the session that read it, and what the server said of it. */
  readonly goesOn?: { readonly from: string; readonly why: string | null }
  /** Ids of the events that came, in order; also those before `start`. */
  readonly ids: readonly number[]
  /** When each of them came. */
  readonly times: readonly number[]
  /** null: open to the end of the record. */
  readonly end: { readonly at: number; readonly code: number; readonly byClient: boolean } | null
}

/** A fault, from its beginning until the cluster was found well again. */
export interface FaultWindow {
  readonly kind: string
  readonly from: number
  readonly to: number
  /** Close codes with which it may end started sessions. */
  readonly codes: readonly number[]
  /** Of the edge hosts concerned; null: all. */
  readonly host: number | null
  /** The cluster was well again within the time that this fault may take. */
  readonly healedInTime: boolean
  /** How long an event may be on its way to a session that the fault does not end; null: not measured. */
  readonly stallMsMax: number | null
  /** The places that drained sessions have left for the next ones may be lost, or could not be left. */
  readonly forgets?: boolean
  /** What became of the workers' replacement, where the fault is one. */
  readonly upgrade?: Upgrade
}

/** One replacement of all workers of an edge host (SIGHUP), as its own metrics tell. */
export interface Upgrade {
  readonly result: 'success' | 'failure'
  /** How many connections fared how: passed on (`moved`), or why not. */
  readonly handovers: Readonly<Record<string, number>>
  /** Workers that were killed meanwhile: what they had counted last is lost with them. */
  readonly kills: number
}

/** One entry of the log in Redis. */
export interface LoggedBatch {
  readonly epoch: string
  /** Which life of Redis it was read from: another one may hold the same batch again. */
  readonly life: string
  readonly partition?: number
  readonly prev: number
  readonly last: number
  /** Offset and id of each event. */
  readonly events: readonly (readonly [offset: number, id: number])[]
}

/** `meta` in Redis, whenever it was seen to change. */
export interface Head {
  readonly at: number
  readonly life: string
  readonly epoch: string
  readonly head: number
  readonly partition?: number
}

/** A quantity that is bounded, as measured. */
export interface Holding {
  readonly what: string
  readonly value: number
  readonly max: number
}

export interface History {
  readonly masterTenant: string
  /** An event that takes longer from the broker to a receiver is missed, unless a fault is on. */
  readonly deliveryMsMax: number
  readonly shapes: readonly Shape[]
  readonly published: readonly Published[]
  readonly stream: readonly Streamed[]
  readonly tokens: readonly Token[]
  readonly sessions: readonly Session[]
  readonly faults: readonly FaultWindow[]
  readonly batches: readonly LoggedBatch[]
  readonly heads: readonly Head[]
  readonly holdings: readonly Holding[]
  readonly endedAt: number
}

export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8'

export interface Violation {
  readonly invariant: Invariant
  /** In words, with the session or offset that it was found at. */
  readonly what: string
}
