import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import type { Clock, Timer } from './clock.js'
import { STATUS_CONFIG, StartupError } from './startup-error.js'
import { describeSystemError, errorCode, isShortage } from './system-error.js'

export interface LogDestinationOptions {
  /** Appended to; null: standard output. */
  readonly file: string | null
  /** Whether a file that cannot be opened is an error. A full disk never is: the file is opened once there is room. */
  readonly mustOpen: boolean
  readonly clock: Clock
  /** The line, with its end, that says how many were dropped. */
  readonly droppedNotice: (lines: number) => string
}

/** The calls of the system; replaced in tests. */
export interface LogSystem {
  open(file: string): number
  close(fd: number): void
  /** Returns how many bytes were written. */
  write(fd: number, bytes: Uint8Array): number
  /** Standard output; where it is a pipe, one whose writes fail with EAGAIN instead of waiting for its reader. */
  openOutput(): number
  /** Stops the whole process. */
  sleep(ms: number): void
}

const STDOUT = 1
const STDOUT_PATH = '/proc/self/fd/1'
const FILE_MODE = 0o640
const RETRY_MS = 1000
/** The process stands still for so long, once, for a reader of standard output that is slow. */
const SLOW_READER_MS_MAX = 50
const SLOW_READER_STEP_MS = 1
const LINE_END = Buffer.from('\n')

const system: LogSystem = {
  open: (file) => openSync(file, 'a', FILE_MODE),
  close: closeSync,
  write: (fd, bytes) => writeSync(fd, bytes),
  openOutput() {
    if (!fstatSync(STDOUT).isFIFO()) return STDOUT
    try {
      // A description of this process's own: the one that it was given is shared, and each fork makes it wait again.
      return openSync(STDOUT_PATH, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch {
      return STDOUT // another user's, or without a reader
    }
  },
  sleep: (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
}

/**
 * Writes the lines of a log to where they go. Writes are synchronous: nothing is lost when the process ends. A line
 * that cannot be written is dropped and counted, and nothing throws: the process serves on without a log. Once there
 * is room again a line says how many were dropped.
 */
export class LogDestination {
  private readonly options: LogDestinationOptions
  private readonly on: LogSystem
  /** null: the file could not be opened yet. */
  private fd: number | null = null
  /** The file is to be opened anew, and could not be. */
  private reopening = false
  /** Since the last notice. */
  private unreported = 0
  private dropped = 0
  /** The last line was written in part. */
  private cut = false
  private retry: Timer | null = null

  /** @throws StartupError with status 78, naming the key `log_file`, when the file must be opened and cannot be. */
  constructor(options: LogDestinationOptions, on: LogSystem = system) {
    this.options = options
    this.on = on
    if (options.file === null) this.fd = on.openOutput()
    else this.openFirst(options.file)
  }

  /** Lines that were dropped, in all. */
  get droppedLines(): number {
    return this.dropped
  }

  /** Writes a line with its end, or drops it. Never throws. */
  write(line: string): void {
    if (this.reportDropped() && this.writeLine(line)) return
    this.dropped++
    this.unreported++
    this.retryLater()
  }

  /**
   * Opens the file anew, after it was renamed. Where that fails the old one is written to until it succeeds.
   * @returns why it failed; null: it has not, or there is no file.
   */
  reopen(): string | null {
    const { file } = this.options
    if (file === null) return null
    try {
      const fd = this.on.open(file)
      if (this.fd !== null) this.on.close(this.fd)
      this.fd = fd
      this.cut = this.reopening = false
      return null
    } catch (error) {
      this.reopening = true
      this.retryLater()
      return describeSystemError(error)
    }
  }

  private openFirst(file: string): void {
    try {
      this.fd = this.on.open(file)
    } catch (error) {
      if (this.options.mustOpen && !isShortage(error))
        throw new StartupError(`log_file: cannot open ${file}: ${describeSystemError(error)}`, STATUS_CONFIG)
      this.reopening = true
      this.retryLater()
    }
  }

  /** Whether there is nothing left to report. */
  private reportDropped(): boolean {
    if (this.unreported === 0) return true
    if (!this.writeLine(this.options.droppedNotice(this.unreported))) return false
    this.unreported = 0
    return true
  }

  private writeLine(line: string): boolean {
    if (this.fd === null) return false
    let rest: Uint8Array = this.cut ? Buffer.concat([LINE_END, Buffer.from(line)]) : Buffer.from(line)
    const length = rest.length
    try {
      while (rest.length > 0) rest = rest.subarray(this.writeSome(this.fd, rest))
      this.cut = false
      return true
    } catch {
      // Where only the end of the line before was written, that is complete.
      if (rest.length < length) this.cut = !(this.cut && rest.length === length - 1)
      return false
    }
  }

  /** Waits for a slow reader, unless lines are being dropped already: then it has had its time. */
  private writeSome(fd: number, bytes: Uint8Array): number {
    for (let waitedMs = 0; ; waitedMs += SLOW_READER_STEP_MS) {
      try {
        return this.on.write(fd, bytes)
      } catch (error) {
        const isSlow = errorCode(error) === 'EAGAIN' && this.unreported === 0
        if (!isSlow || waitedMs >= SLOW_READER_MS_MAX) throw error
        this.on.sleep(SLOW_READER_STEP_MS)
      }
    }
  }

  private retryLater(): void {
    this.retry ??= this.options.clock.after(RETRY_MS, () => this.tryAgain())
  }

  private tryAgain(): void {
    this.retry = null
    if (this.reopening) this.reopen()
    if (!this.reportDropped() || this.reopening) this.retryLater()
  }
}
