/** What the test, its primary and its workers tell each other, beside the transfer itself. */

/** From the test to the primary. */
export type Command =
  | { readonly do: 'fork'; readonly port: number }
  /** `to` null: to the successor that it has, or to nobody. */
  | { readonly do: 'move'; readonly from: number; readonly to: number | null }
  | { readonly do: 'kill'; readonly worker: number }
  | { readonly do: 'ask'; readonly worker: number }
  /** It refuses what arrives from now on. */
  | { readonly do: 'deafen'; readonly worker: number }
  /** It reads nothing more from its clients. */
  | { readonly do: 'pause'; readonly worker: number }

/** What one process knows of itself. */
export interface Facts {
  readonly fds: number
  readonly sessions: number
  /** Messages of clients that did not follow the one before. */
  readonly gaps: number
  /** How the sessions that are no more have ended. */
  readonly endings: Readonly<Record<string, number>>
}

/** How many connections went how. */
export type Tally = Record<string, number>

export interface Answers {
  readonly worker?: number
  readonly port?: number
  readonly pid?: number
  readonly tally?: Tally
  readonly facts?: Facts
  /** Descriptors of the primary, and connections that are on their way. */
  readonly primary?: { readonly fds: number; readonly onTheWay: number }
}
