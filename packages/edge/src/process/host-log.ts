import { isRecord } from '@wazo-websocketd/shared/domain/guards'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { LineLog } from '@wazo-websocketd/shared/runtime/line-log'
import { parseWorkerMessage, type HostLine } from './messages.js'
import type { WorkerProcess } from './worker-process.js'

/** No worker says an error again so soon (an outage takes as long to be over): an equal one is another worker's. */
const SAME_MS = 5_000
/** So long other lines wait for those of other workers. */
const GATHER_MS = 2_000
/** Different lines at a time; more are written as they come. */
const LINES_MAX = 100

type Fields = Readonly<Record<string, unknown>>

/** A line that has come, as long as equal ones count as the same. */
interface Gathered {
  readonly timer: Timer
  readonly level: HostLine['level']
  readonly line: string
  fields: Fields
  workers: number
}

/**
 * Writes what several workers of the host say alike as one line. Runs in the primary. An error is written when the first
 * worker says it. Others, which tell figures, wait for the other workers; their figures are added up.
 */
export class HostLog {
  private readonly clock: Clock
  private readonly log: LineLog
  private readonly gathered = new Map<string, Gathered>()

  constructor(clock: Clock, log: LineLog) {
    this.clock = clock
    this.log = log
  }

  /** Listens to a worker. */
  watch(worker: WorkerProcess): void {
    worker.onMessage((message) => {
      const known = parseWorkerMessage(message)
      if (known?.kind === 'line') this.take(known)
    })
  }

  /** Writes what still waits. */
  close(): void {
    for (const key of [...this.gathered.keys()]) this.end(key)
  }

  private take({ level, fields, line }: HostLine): void {
    // Lines that tell figures of two causes are two; an error is one, however each worker has met it.
    const key = level === 'error' ? line : `${line}\n${String(fields['why'])}`
    const known = this.gathered.get(key)
    if (known !== undefined) {
      known.workers++
      known.fields = addedUp(known.fields, fields)
      return
    }
    const waits = level !== 'error' && this.gathered.size < LINES_MAX
    if (!waits) this.log[level](fields, line)
    if (this.gathered.size >= LINES_MAX) return
    const timer = this.clock.after(waits ? GATHER_MS : SAME_MS, () => this.end(key))
    this.gathered.set(key, { timer, level, line, fields, workers: 1 })
  }

  private end(key: string): void {
    const known = this.gathered.get(key)
    if (known === undefined) return
    const { timer, level, line, fields, workers } = known
    timer.cancel()
    this.gathered.delete(key)
    if (level !== 'error') this.log[level]({ ...fields, workers }, line)
  }
}

/**
 * Numbers and numbers in mappings are added up, of `seconds` the longest counts; lists have the members of both; of
 * anything else what came first.
 */
function addedUp(one: Fields, other: Fields): Fields {
  const sum: Record<string, unknown> = { ...one }
  for (const [name, value] of Object.entries(other)) {
    const known = Object.hasOwn(one, name) ? one[name] : undefined
    if (known === undefined) sum[name] = value
    else if (typeof known === 'number' && typeof value === 'number')
      sum[name] = name === 'seconds' ? Math.max(known, value) : known + value
    else if (Array.isArray(known) && Array.isArray(value))
      sum[name] = [...new Set<unknown>([...(known as unknown[]), ...(value as unknown[])])]
    else if (isRecord(known) && isRecord(value)) sum[name] = addedUp(known, value)
  }
  return sum
}
