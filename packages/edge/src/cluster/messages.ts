/** What the primary and its workers tell each other. Other messages on the same channel are not ours. */
import type { Snapshot } from '@wazo-websocketd/shared/runtime/metrics'

/** From a worker to the primary. */
export type WorkerMessage =
  /** It listens to messages now; the answer is `setup`. */
  | { readonly kind: 'hello' }
  /** What keeps it from serving, in words; empty: it serves. */
  | { readonly kind: 'missing'; readonly missing: readonly string[] }
  /** All its metrics; sent every second and before it ends. */
  | { readonly kind: 'metrics'; readonly snapshot: Snapshot }
  /** By how many milliseconds wazo-auth's clock is ahead of this machine's; every second. */
  | { readonly kind: 'clock'; readonly aheadMs: number }
  /** Its last session is gone; it ends now. */
  | { readonly kind: 'drained' }
  /** Neither it nor its successor can serve, because of what this line says. */
  | { readonly kind: 'fatal'; readonly line: string; readonly status: number }

/** From the primary to a worker. */
export type PrimaryMessage =
  /** The worker's configuration, as JSON. Sent once. */
  | { readonly kind: 'setup'; readonly setup: unknown }
  /** Close the sessions, paced, with 1012. */
  | { readonly kind: 'drain'; readonly order: DrainOrder }
  /** Close what is left with 1001 and end. */
  | { readonly kind: 'close' }

export interface DrainOrder {
  /** This worker's share of `drain.rate`: the least number of sessions to close in a second. */
  readonly ratePerSecond: number
  /** Milliseconds after which what is left is closed with 1001. */
  readonly timeoutMs: number
}

/** The message of a worker that `value` is, or null. */
export function asWorkerMessage(value: unknown): WorkerMessage | null {
  if (!isMessage(value)) return null
  switch (value.kind) {
    case 'hello':
    case 'drained':
      return { kind: value.kind }
    case 'missing':
      return isTexts(value['missing']) ? { kind: 'missing', missing: value['missing'] } : null
    case 'metrics':
      return Array.isArray(value['snapshot'])
        ? { kind: 'metrics', snapshot: value['snapshot'] as Snapshot }
        : null
    case 'clock':
      return typeof value['aheadMs'] === 'number' && Number.isFinite(value['aheadMs'])
        ? { kind: 'clock', aheadMs: value['aheadMs'] }
        : null
    case 'fatal':
      return typeof value['line'] === 'string' && typeof value['status'] === 'number'
        ? { kind: 'fatal', line: value['line'], status: value['status'] }
        : null
    default:
      return null
  }
}

/** The message of the primary that `value` is, or null. */
export function asPrimaryMessage(value: unknown): PrimaryMessage | null {
  if (!isMessage(value)) return null
  switch (value.kind) {
    case 'setup':
      return { kind: 'setup', setup: value['setup'] }
    case 'drain':
      return isDrainOrder(value['order']) ? { kind: 'drain', order: value['order'] } : null
    case 'close':
      return { kind: 'close' }
    default:
      return null
  }
}

interface Message {
  readonly kind: string
  readonly [key: string]: unknown
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string'
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isDrainOrder(value: unknown): value is DrainOrder {
  return (
    typeof value === 'object' &&
    value !== null &&
    'ratePerSecond' in value &&
    'timeoutMs' in value &&
    typeof value.ratePerSecond === 'number' &&
    typeof value.timeoutMs === 'number'
  )
}
