/** What workers are started with: one reading of the configuration, by the code that was on disk at that time. */
import { isRecord, isStrings } from '@wazo-websocketd/shared/domain/guards'
import { isPinoLevel, type PinoLevel } from '@wazo-websocketd/shared/runtime/logger'
import type { DrainOrder } from './messages.js'

/** How sessions are moved away (`drain.*`). */
export interface DrainPace {
  /** `drain.rate`: sessions to close per second on this host, at least. */
  readonly ratePerSecond: number
  /** `drain.timeout`, milliseconds. */
  readonly timeoutMs: number
  /** `drain.delay`, milliseconds. */
  readonly delayMs: number
}

/**
 * All that a primary knows of the configuration. It comes as JSON from a process that runs newer code than the
 * primary may: fields may be added, but those that are here keep their meaning.
 */
export interface Generation {
  /** Of the code that read the configuration. */
  readonly version: string
  /** Workers of this host. */
  readonly workers: number
  readonly drain: DrainPace
  /** The level of the primary's log. */
  readonly logLevel: PinoLevel
  /** For the log, one line each. */
  readonly remarks: readonly string[]
  /** Keys that only a restart of the program takes up, and their values as text. */
  readonly restartOnly: Readonly<Record<string, string>>
  /** For the workers; the primary passes it on as it is. */
  readonly setup: unknown
  /**
   * Stands for all of `setup` but the certificate of the WebSocket port: workers with the same value only need the new
   * certificate. Absent: they are always replaced.
   */
  readonly exceptCertificate?: string
}

/** The generation that `value` is, or null when it is none that this primary understands. */
export function parseGeneration(value: unknown): Generation | null {
  if (!isRecord(value)) return null
  const { version, workers, drain, logLevel, remarks, restartOnly, setup, exceptCertificate } = value
  if (typeof version !== 'string' || !isPositiveCount(workers)) return null
  const pace = asPace(drain)
  if (pace === null || !isPinoLevel(logLevel) || !isStrings(remarks)) return null
  if (!isRecord(restartOnly) || !isStrings(Object.values(restartOnly))) return null
  return {
    version,
    workers,
    drain: pace,
    logLevel,
    remarks,
    restartOnly: restartOnly as Record<string, string>,
    setup,
    ...(typeof exceptCertificate === 'string' ? { exceptCertificate } : {}),
  }
}

/** Whether workers of `running` become those of `next` by taking another certificate, with their sessions. */
export function differsByCertificate(running: Generation, next: Generation): boolean {
  return (
    running.exceptCertificate !== undefined &&
    running.exceptCertificate === next.exceptCertificate &&
    running.version === next.version &&
    running.workers === next.workers &&
    JSON.stringify(running.setup) !== JSON.stringify(next.setup)
  )
}

/** The keys that would need a restart to be taken up, of those that `next` has with another value. */
export function restartOnlyChanges(
  running: Pick<Generation, 'restartOnly'>,
  next: Pick<Generation, 'restartOnly'>,
): readonly string[] {
  return Object.entries(running.restartOnly)
    .filter(([key, value]) => Object.hasOwn(next.restartOnly, key) && next.restartOnly[key] !== value)
    .map(([key]) => key)
}

/** What each of `workers` that drain at the same time is ordered: they share `drain.rate`, which is the host's. */
export function drainOrder({ drain }: Generation, workers: number): DrainOrder {
  return { ratePerSecond: drain.ratePerSecond / workers, timeoutMs: drain.timeoutMs }
}

function asPace(value: unknown): DrainPace | null {
  if (!isRecord(value)) return null
  const { ratePerSecond, timeoutMs, delayMs } = value
  return isAmount(ratePerSecond) && isAmount(timeoutMs) && isAmount(delayMs)
    ? { ratePerSecond, timeoutMs, delayMs }
    : null
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function isPositiveCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}
