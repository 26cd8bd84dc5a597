/**
 * What the primary and its workers tell each other. The two may be of different versions, because a primary
 * stays what it was when its workers are replaced: messages may be added, but those that are here keep their
 * meaning. What one side does not know it ignores; other messages on the same channel are not ours.
 */
import { isRecord, isStrings } from '@wazo-websocketd/shared/domain/guards'
import type { Snapshot } from '@wazo-websocketd/shared/runtime/metrics'

/** From a worker to the primary. */
export type WorkerMessage =
  /** It listens to messages now; the answer is `setup`. */
  | { readonly kind: 'hello' }
  /** What keeps it from serving, in words; empty: it serves. Repeated every second as a sign of life. */
  | { readonly kind: 'missing'; readonly missing: readonly string[] }
  /** All its metrics; sent when they are asked for, every few seconds and before it ends. */
  | { readonly kind: 'metrics'; readonly snapshot: Snapshot }
  /** Its last session is gone; it ends now. */
  | { readonly kind: 'drained' }
  /** Neither it nor another one like it can serve, because of what this line says. */
  | { readonly kind: 'fatal'; readonly line: string; readonly status: number }
  /** It shares the master tenant with the workers that say the same; the answer is `tenant`. Sent once. */
  | { readonly kind: 'tenant-source'; readonly source: string }
  /** wazo-auth has told it the master tenant. */
  | { readonly kind: 'tenant'; readonly tenant: string }
  /** A line that other workers of the host say alike: the primary writes it once for all of them. */
  | ({ readonly kind: 'line' } & HostLine)
  /** A piece of the answer to the question `id`. */
  | ({ readonly kind: 'answer'; readonly id: number } & AnswerPiece)

/** From the primary to a worker. */
export type PrimaryMessage =
  /** The worker's configuration, as JSON that the primary does not look into, and its place. Sent once. */
  | { readonly kind: 'setup'; readonly setup: unknown; readonly place: WorkerAssignment }
  /** Close the sessions, paced, with 1012. */
  | { readonly kind: 'drain'; readonly order: DrainOrder }
  /** Close what is left with 1001 and end. */
  | { readonly kind: 'close' }
  /** Somebody wants to see the metrics; the answer is `metrics`. */
  | { readonly kind: 'tell' }
  /** Open the log file anew: it was renamed. */
  | { readonly kind: 'reopen' }
  /** Take the certificate in this configuration, which has nothing else that is new. */
  | { readonly kind: 'certificate'; readonly setup: unknown }
  /** What is known of the master tenant, and who asks wazo-auth for it; sent again whenever that changes. */
  | ({ readonly kind: 'tenant' } & SharedTenant)
  /** An operator asks; the answer is `answer`, in one or several pieces. The primary does not look into the question. */
  | { readonly kind: 'ask'; readonly id: number; readonly question: unknown }

/** A line of the log. */
export interface HostLine {
  readonly level: HostLineLevel
  readonly fields: Readonly<Record<string, unknown>>
  readonly line: string
}

export type HostLineLevel = (typeof HOST_LINE_LEVELS)[number]

const HOST_LINE_LEVELS = ['error', 'warn', 'info'] as const

/** As JSON texts, which the primary passes on as they are: it is older than the workers that it serves. */
export interface AnswerPiece {
  /** One text for each row. */
  readonly rows: readonly string[]
  /** What is to be said of all rows; null: more pieces follow. */
  readonly end: string | null
}

/** The master tenant as the workers of a host know it that learn it from the same wazo-auth. */
export interface SharedTenant {
  /** null: not known. */
  readonly tenant: string | null
  /** Whether this worker asks wazo-auth, for all of them. */
  readonly asks: boolean
}

/** Where in the pool a worker stands. */
export interface WorkerAssignment {
  /** Number of its slot on this host, from 0. */
  readonly slot: number
  /**
   * Whether others serve in its stead until it does: it must not listen before it is ready, because clients
   * would be dealt to it.
   */
  readonly successor: boolean
}

export interface DrainOrder {
  /** The least number of sessions to close in a second: this worker's share of `drain.rate`. */
  readonly ratePerSecond: number
  /** Milliseconds after which what is left is closed with 1001. */
  readonly timeoutMs: number
  /** Whether another worker has this one's place and takes connections that are passed to it. */
  readonly toSuccessor?: boolean
}

/** The message of a worker that `value` is, or null. */
export function parseWorkerMessage(value: unknown): WorkerMessage | null {
  if (!isMessage(value)) return null
  switch (value.kind) {
    case 'hello':
    case 'drained':
      return { kind: value.kind }
    case 'missing':
      return isStrings(value['missing']) ? { kind: 'missing', missing: value['missing'] } : null
    case 'metrics':
      return Array.isArray(value['snapshot'])
        ? { kind: 'metrics', snapshot: value['snapshot'].filter(isMetric) }
        : null
    case 'fatal':
      return typeof value['line'] === 'string' && typeof value['status'] === 'number'
        ? { kind: 'fatal', line: value['line'], status: value['status'] }
        : null
    case 'tenant-source':
      return typeof value['source'] === 'string' ? { kind: value.kind, source: value['source'] } : null
    case 'tenant':
      return typeof value['tenant'] === 'string' ? { kind: value.kind, tenant: value['tenant'] } : null
    case 'line':
      return isHostLine(value)
        ? { kind: 'line', level: value.level, fields: value.fields, line: value.line }
        : null
    case 'answer':
      return isAnswer(value) ? { kind: value.kind, id: value.id, rows: value.rows, end: value.end } : null
    default:
      return null
  }
}

/** The message of the primary that `value` is, or null. */
export function parsePrimaryMessage(value: unknown): PrimaryMessage | null {
  if (!isMessage(value)) return null
  switch (value.kind) {
    case 'setup':
      return isPlace(value['place']) ? { kind: 'setup', setup: value['setup'], place: value['place'] } : null
    case 'drain':
      return isDrainOrder(value['order']) ? { kind: 'drain', order: value['order'] } : null
    case 'close':
    case 'tell':
    case 'reopen':
      return { kind: value.kind }
    case 'certificate':
      return { kind: value.kind, setup: value['setup'] }
    case 'tenant':
      return isSharedTenant(value) ? { kind: value.kind, tenant: value.tenant, asks: value.asks } : null
    case 'ask':
      return typeof value['id'] === 'number'
        ? { kind: value.kind, id: value['id'], question: value['question'] }
        : null
    default:
      return null
  }
}

interface Message {
  readonly kind: string
  readonly [key: string]: unknown
}

function isMessage(value: unknown): value is Message {
  return isRecord(value) && typeof value['kind'] === 'string'
}

/** The ways to make one value out of those of all workers that prom-client knows in this version. */
const AGGREGATORS: ReadonlySet<unknown> = new Set(['sum', 'first', 'min', 'max', 'average', 'omit'])

/**
 * Whether it can be added up here: one that newer code has made otherwise would fail every scrape of the host. So would
 * a name that every object has, because prom-client keeps metrics in one.
 */
function isMetric(value: unknown): value is Snapshot[number] {
  if (!isRecord(value)) return false
  const { name, help, type, aggregator, values } = value
  if (typeof name !== 'string' || name in Object.prototype) return false
  if (typeof help !== 'string' || typeof type !== 'string' || !AGGREGATORS.has(aggregator)) return false
  return Array.isArray(values) && values.every(isValue)
}

function isValue(value: unknown): boolean {
  if (!isRecord(value)) return false
  const { value: number, labels } = value
  // What is not a number is null after its way over the channel.
  return (typeof number === 'number' || number === null) && typeof labels === 'object' && labels !== null
}

function isPlace(value: unknown): value is WorkerAssignment {
  return isRecord(value) && typeof value['slot'] === 'number' && typeof value['successor'] === 'boolean'
}

function isSharedTenant(value: Message): value is Message & SharedTenant {
  const { tenant, asks } = value
  return (typeof tenant === 'string' || tenant === null) && typeof asks === 'boolean'
}

function isHostLine(value: Message): value is Message & HostLine {
  const { level, fields, line } = value
  return HOST_LINE_LEVELS.some((known) => known === level) && isRecord(fields) && typeof line === 'string'
}

function isAnswer(value: Message): value is Message & AnswerPiece & { readonly id: number } {
  const { id, rows, end } = value
  return typeof id === 'number' && isStrings(rows) && (typeof end === 'string' || end === null)
}

function isDrainOrder(value: unknown): value is DrainOrder {
  return (
    isRecord(value) && typeof value['ratePerSecond'] === 'number' && typeof value['timeoutMs'] === 'number'
  )
}
