import { pino, type DestinationStream, type Logger } from 'pino'
import type { LogLevel } from '../config/schema.js'
import { systemClock, type Clock } from './clock.js'
import { LogDestination } from './log-destination.js'
import { scrub } from './scrub.js'
import { wazoLine } from './wazo-line.js'

export type { Logger } from 'pino'

export interface LoggerOptions {
  readonly program: string
  readonly level: LogLevel
  /** Number of the worker, in a worker. */
  readonly worker?: number
  readonly destination: DestinationStream
  /** `log_format`; json unless given. */
  readonly format?: 'json' | 'wazo'
}

export interface LogOptions extends Omit<LoggerOptions, 'destination'> {
  /** null: standard output. */
  readonly logFile: string | null
  /** Whether a file that cannot be opened is an error; true unless given. A full disk never is. */
  readonly mustOpen?: boolean
  readonly clock?: Clock
}

/** The log of a process. */
export interface Log {
  readonly logger: Logger
  /** Opens the file anew, after a rotation by rename, and says so. */
  readonly reopen: () => void
  /** Lines that could not be written, in all. */
  readonly droppedLines: () => number
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

/** A line of JSON per entry, ISO times, the level names of the configuration, and no secret in any line. */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      level: PINO_LEVELS[options.level],
      base: baseOf(options),
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: LEVEL_NAMES.get(label) ?? label }) },
      hooks: { streamWrite: writerOf(options.format) },
    },
    options.destination,
  )
}

/**
 * Opens the log of this process: `log_file`, or standard output.
 * @throws StartupError when `log_file` must be opened and cannot be.
 */
export function openLog({ logFile, mustOpen = true, clock = systemClock, ...options }: LogOptions): Log {
  const destination = new LogDestination({
    file: logFile,
    mustOpen,
    clock,
    droppedNotice: (dropped) => droppedNotice(options, dropped, clock),
  })
  const logger = createLogger({ ...options, destination })
  return {
    logger,
    reopen() {
      const why = destination.reopen()
      if (why !== null) logger.error({ why }, 'log_file cannot be opened anew: going on in the old file')
      else logger.info('log_file opened anew')
    },
    droppedLines: () => destination.droppedLines,
  }
}

function writerOf(format: LoggerOptions['format']): (line: string) => string {
  return format === 'wazo' ? (line) => wazoLine(scrub(line)) : scrub
}

function baseOf({ program, worker }: Omit<LoggerOptions, 'destination'>): object {
  return { program, pid: process.pid, ...(worker === undefined ? {} : { worker }) }
}

/** Made without the logger, whose level may leave warnings out. */
function droppedNotice(options: Omit<LoggerOptions, 'destination'>, dropped: number, clock: Clock): string {
  return writerOf(options.format)(
    `${JSON.stringify({
      level: 'warning' satisfies LogLevel,
      time: new Date(clock.now()).toISOString(),
      ...baseOf(options),
      dropped,
      msg: 'lines of this log could not be written and are lost',
    })}\n`,
  )
}
