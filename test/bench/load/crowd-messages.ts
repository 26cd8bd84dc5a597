/** What is said to the processes that hold the clients, and what they answer. */
import type { DialectName } from './dialect.js'

export type ToCrowd =
  /** Connects a client for each path, so many at a time; answered when all are ready, or with what went wrong. */
  | {
      readonly do: 'open'
      readonly group: string
      readonly port: number
      readonly dialect: DialectName
      readonly paths: readonly string[]
      readonly connectingMax: number
      /** Second number of the clients' addresses: 127.<network>.0.x. */
      readonly network: number
    }
  /** Starts counting what the clients of a group get. */
  | { readonly do: 'arm'; readonly group: string }
  /** Answered when they have got so many events, or when the time is up. */
  | { readonly do: 'count'; readonly group: string; readonly events: number; readonly timeoutMs: number }
  /** Drops the clients of a group. */
  | { readonly do: 'close'; readonly group: string }

export interface Opened {
  /** From the first connect until the last client was admitted, or ready. */
  readonly admittedMs: number
  readonly readyMs: number
  /** Of this process, of one core. */
  readonly cpuShare: number
  /** How connections failed; empty when all are ready. */
  readonly failures: readonly string[]
}

export interface Counted {
  readonly events: number
  /** On the clock of the stamps; 0 when nothing came. */
  readonly lastAtUs: number
  readonly cpuShare: number
  /** A compressed histogram of the latency in microseconds, of the clients that are looked at. */
  readonly latency: string
  readonly lost: readonly string[]
}
