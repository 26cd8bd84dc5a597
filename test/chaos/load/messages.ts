/** What a run and the processes of its load say to each other. */
import type { Published, Session, Streamed } from '../../support/checker/history.js'
import type { Minted } from './occupant.js'

export type ToBus =
  | {
      readonly do: 'load'
      /** Of the nodes of the broker. */
      readonly urls: readonly string[]
      readonly authUrl: string
      readonly seed: number
      readonly perSecond: number
    }
  | { readonly do: 'revoke'; readonly token: Minted }
  /** No more events. */
  | { readonly do: 'rest' }
  | { readonly do: 'end' }

/** Collected for a while. */
export interface FromBus {
  readonly published: Published[]
  readonly confirmed: (readonly [id: number, at: number])[]
  readonly streamed: Streamed[]
  readonly deleted: (readonly [session: string, at: number])[]
  readonly lastConfirmed: number
}

export type ToClients =
  | {
      readonly do: 'live'
      readonly urls: readonly string[]
      readonly authUrl: string
      readonly seed: number
      /** Of all the seats, this process takes every `of`-th, from number `part` on. */
      readonly part: number
      readonly of: number
    }
  | { readonly do: 'hosts'; readonly urls: readonly string[] }
  | { readonly do: 'rest' }
  | { readonly do: 'end' }

export type FromClients =
  | { readonly minted: Minted; readonly expiresAt: number }
  | { readonly revoke: Minted }
  | { readonly ended: Session }
  | { readonly progress: Progress }
  | { readonly done: true }

export interface Progress {
  /** Of each sentinel: the last event that it got; null: it is not there. */
  readonly sentinels: Readonly<Record<string, number | null>>
  readonly deliveries: number
}
