import { pino, type DestinationStream, type Logger } from 'pino'
import { describeSystemError } from './system-error.js'
import type { LogLevel } from '../config/schema.js'
import { scrub } from './scrub.js'
import { STATUS_CONFIG, StartupError } from './startup-error.js'

export type { Logger } from 'pino'

export interface LoggerOptions {
  readonly program: string
  readonly level: LogLevel
  /** Appended to, so that logrotate's copytruncate works; null: standard output. */
  readonly logFile: string | null
  /** Number of the worker, in a worker. */
  readonly worker?: number
  /** Instead of file or standard output; for tests. */
  readonly destination?: DestinationStream
}

const PINO_LEVELS = {
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  error: 'error',
  critical: 'fatal',
} as const

/** pino's names of the levels. */
export type PinoLevel = (typeof PINO_LEVELS)[LogLevel]

/** pino's name for a level of the configuration. */
export function pinoLevel(level: LogLevel): PinoLevel {
  return PINO_LEVELS[level]
}

export function isPinoLevel(value: unknown): value is PinoLevel {
  return Object.values(PINO_LEVELS).some((level) => level === value)
}

const LEVEL_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(PINO_LEVELS).map(([ours, pinos]) => [pinos, ours]),
)

/**
 * The log of one process: a line of JSON per entry, ISO times, the level names of the configuration, and
 * no secret in any line.
 * @throws StartupError when `log_file` cannot be opened.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { program, level, worker } = options
  return pino(
    {
      level: PINO_LEVELS[level],
      base: { program, pid: process.pid, ...(worker === undefined ? {} : { worker }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: LEVEL_NAMES.get(label) ?? label }) },
      hooks: { streamWrite: scrub },
    },
    options.destination ?? openDestination(options.logFile),
  )
}

/** Writes are synchronous: nothing is lost when the process ends, and no entry is made per event or message. */
function openDestination(logFile: string | null): DestinationStream {
  if (logFile === null) return pino.destination({ fd: 1, sync: true })
  try {
    return pino.destination({ dest: logFile, append: true, sync: true })
  } catch (error) {
    throw new StartupError(`log_file: cannot open ${logFile}: ${describeSystemError(error)}`, STATUS_CONFIG)
  }
}
