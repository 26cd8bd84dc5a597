/** The answers of the admin endpoints, as far as this tool reads them (docs/admin.md). Pure. */
import { isRecord, isStrings } from '@wazo-websocketd/shared/domain/guards'

export interface LossAnswer {
  readonly at: string
  readonly partition: number
  readonly why: string
  readonly sessions: number
}

export interface WorkerEntry {
  readonly worker: number
  readonly pid: number | null
  readonly ready: boolean
  readonly upSeconds: number
  /** null: it does not answer. */
  readonly status: {
    readonly version: string
    readonly sessions: number
    readonly live: number
    readonly missing: readonly string[]
    readonly masterTenant: string | null
    readonly bus: {
      readonly ingests: readonly { readonly ingest: string; readonly state: string; readonly ageMs: number }[]
      readonly partitions: readonly {
        readonly partition: number
        readonly live: boolean
        readonly epoch: string | null
        readonly offset: number | null
      }[]
    }
    readonly losses: readonly LossAnswer[]
  } | null
}

export interface UpgradeAnswer {
  readonly result: string
  readonly why: string | null
  readonly from: string
  readonly to: string
  readonly endedAt: string
  readonly seconds: number
}

export interface EdgeAnswer {
  readonly program: string
  readonly version: string
  readonly pid: number
  readonly since: string
  readonly ready: boolean
  readonly missing: readonly string[]
  readonly upgrade: {
    readonly underWay: boolean
    readonly workers: string
    readonly last: UpgradeAnswer | null
  }
  readonly workers: readonly WorkerEntry[]
}

export interface IngestAnswer {
  readonly program: string
  readonly version: string
  readonly pid: number
  readonly since: string
  readonly ingest: string
  readonly uuid: string | null
  readonly state: string
  readonly missing: readonly string[]
  readonly publishing: boolean
  readonly brokerHost: string
  readonly epoch: string | null
  readonly heads: readonly number[]
  readonly lagSeconds: number | null
  readonly messages: Readonly<Record<string, number>>
  readonly epochs: readonly { readonly at: string; readonly epoch: string; readonly why: string }[]
  readonly failures: readonly { readonly at: string; readonly what: string }[]
}

export interface SessionAnswer {
  readonly worker: number
  readonly token: string
  readonly user: string | null
  readonly tenant: string | null
  readonly admin: boolean | null
  readonly master: boolean | null
  readonly address: string
  readonly version: number
  readonly since: string
  readonly started: boolean
  readonly closing: boolean
  readonly subscriptions: readonly string[]
  readonly subscriptionCount: number
  readonly sentEvents: number
  readonly bufferedBytes: number
  readonly behind: number
  readonly lastPongSeconds: number | null
}

export interface SessionsAnswer {
  readonly sessions: readonly SessionAnswer[]
  readonly matched: number
  readonly unanswered: readonly number[]
}

/** Of an order to close. */
export interface ClosedAnswer {
  readonly closed: number
  readonly unanswered: readonly number[]
}

/**
 * Whether the answer is that of the program that was asked, as far as this tool goes into it: its members are then of the
 * forms above, or it is of another release.
 */
export function isEdgeAnswer(value: unknown): value is EdgeAnswer {
  if (!isRecord(value) || value['program'] !== 'wazo-websocketd-edge') return false
  const { workers, missing, upgrade } = value
  return (
    isStrings(missing) &&
    isRecord(upgrade) &&
    (upgrade['last'] === null || isUpgradeAnswer(upgrade['last'])) &&
    isListOf(workers, (worker) => isRecord(worker) && isWorkerStatus(worker['status']))
  )
}

export function isIngestAnswer(value: unknown): value is IngestAnswer {
  if (!isRecord(value) || value['program'] !== 'wazo-websocketd-ingest') return false
  const { missing, ingest, messages, epochs, failures } = value
  return (
    isStrings(missing) &&
    typeof ingest === 'string' &&
    isRecord(messages) &&
    isListOf(epochs, isRecord) &&
    isListOf(failures, isRecord)
  )
}

export function isSessionsAnswer(value: unknown): value is SessionsAnswer {
  if (!isRecord(value)) return false
  const { sessions, matched, unanswered } = value
  const isRow = (row: unknown): boolean => isRecord(row) && isStrings(row['subscriptions'])
  return isListOf(sessions, isRow) && typeof matched === 'number' && isNumbers(unanswered)
}

export function isClosedAnswer(value: unknown): value is ClosedAnswer {
  return isRecord(value) && typeof value['closed'] === 'number' && isNumbers(value['unanswered'])
}

export function isUpgradeAnswer(value: unknown): value is UpgradeAnswer {
  return isRecord(value) && typeof value['result'] === 'string' && typeof value['endedAt'] === 'string'
}

/** null: the worker has not answered. */
function isWorkerStatus(value: unknown): boolean {
  if (value === null) return true
  if (!isRecord(value)) return false
  const { missing, bus, losses } = value
  return (
    isStrings(missing) && isRecord(bus) && isListOf(bus['partitions'], isRecord) && isListOf(losses, isRecord)
  )
}

function isNumbers(value: unknown): boolean {
  return isListOf(value, (item) => typeof item === 'number')
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem)
}
