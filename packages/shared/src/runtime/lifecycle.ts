/** A program's life: start, run until a signal, stop, end with a status. */
import type { Logger } from 'pino'
import type { Clock } from './clock.js'
import { handleLogSignals } from './log-signals.js'
import { messageOf, StartupError } from './startup-error.js'

export type LifecycleState = 'idle' | 'starting' | 'running' | 'stopping' | 'stopped'

/** What a program does; `runService` decides when. */
export interface Service {
  /** Resolves when the service runs. May be interrupted by `stop`. */
  start(): Promise<void>
  /** Ends in good order; called at most once, also while `start` has not resolved yet. */
  stop(): Promise<void>
  /** A second signal: `stop` should resolve at once. */
  stopNow(): void
  /** SIGHUP. */
  reload(): void
  /** SIGUSR1: the log file was renamed. */
  reopenLog(): void
  /** Rejects when the service cannot go on; never resolves. */
  readonly failed: Promise<never>
}

/** What `runService` needs of the process; replaced in tests. */
export interface ServiceHost {
  on(event: string, listener: (argument: unknown) => void): void
  /** Writes one line to standard error. */
  printError(line: string): void
  exit(status: number): void
}

const processHost: ServiceHost = {
  on: (event, listener) => void process.on(event, listener),
  printError(line) {
    try {
      process.stderr.write(`${line}\n`)
    } catch {
      // A full disk under standard error: the status tells.
    }
  },
  exit: (status) => process.exit(status),
}

export interface RunOptions {
  readonly program: string
  readonly logger: Logger
  readonly clock: Clock
  /** Milliseconds after which a `stop` that hangs is given up: status 1; asked for when it begins. */
  readonly stopDeadlineMs: () => number
  readonly host?: ServiceHost
}

/**
 * Runs the service until SIGTERM or SIGINT: status 0. A StartupError, thrown by `start` or through
 * `failed`, is told in one line and ends the program with its status; any other error with status 1.
 */
export class Lifecycle {
  private readonly service: Service
  private readonly options: RunOptions
  private readonly host: ServiceHost
  private currentState: LifecycleState = 'idle'

  constructor(service: Service, options: RunOptions) {
    this.service = service
    this.options = options
    this.host = options.host ?? processHost
  }

  get state(): LifecycleState {
    return this.currentState
  }

  /** Starts the service and takes over the signals. Resolves when it runs, or has failed to. */
  async run(): Promise<void> {
    const { host, service } = this
    for (const signal of ['SIGTERM', 'SIGINT']) host.on(signal, () => this.signalled(signal))
    host.on('SIGHUP', () => service.reload())
    handleLogSignals(this.options.logger, () => service.reopenLog(), host)
    host.on('uncaughtException', (error) => this.fail(error))
    host.on('unhandledRejection', (error) => this.fail(error))
    service.failed.catch((error: unknown) => this.fail(error))
    this.currentState = 'starting'
    try {
      await service.start()
      if (this.state === 'starting') this.currentState = 'running'
    } catch (error) {
      if (this.state === 'starting') this.fail(error)
    }
  }

  private signalled(signal: string): void {
    if (this.currentState === 'stopped') return
    if (this.currentState === 'stopping') {
      this.options.logger.warn({ signal }, 'second signal: stopping at once')
      this.service.stopNow()
      return
    }
    this.options.logger.info({ signal }, 'stopping')
    this.currentState = 'stopping'
    const deadline = this.options.clock.after(this.options.stopDeadlineMs(), () =>
      this.fail(new Error('stopping took too long')),
    )
    this.service.stop().then(
      () => {
        deadline.cancel()
        this.end(0)
      },
      (error: unknown) => this.fail(error),
    )
  }

  private fail(error: unknown): void {
    if (this.currentState === 'stopped') return
    const line = messageOf(error)
    this.options.logger.fatal(this.details(error), line)
    this.host.printError(`${this.options.program}: ${line}`)
    this.end(error instanceof StartupError ? error.status : 1)
  }

  /** A stack trace only where the fault is the program's own. */
  private details(error: unknown): object {
    return error instanceof StartupError || !(error instanceof Error) ? {} : { stack: error.stack }
  }

  private end(status: number): void {
    if (this.currentState === 'stopped') return
    this.currentState = 'stopped'
    this.host.exit(status)
  }
}

/** Runs a service as the main job of this process. */
export async function runService(service: Service, options: RunOptions): Promise<void> {
  await new Lifecycle(service, options).run()
}

/**
 * Runs a program's `main` and, where it throws before `runService` has taken over, ends the process: in one
 * line and with its status for a StartupError, with status 1 and the stack trace for a fault of the program.
 */
export async function runMain(
  program: string,
  main: () => Promise<void>,
  host: Pick<ServiceHost, 'printError' | 'exit'> = processHost,
): Promise<void> {
  try {
    await main()
  } catch (error) {
    const isFault = !(error instanceof StartupError)
    host.printError(
      `${program}: ${isFault && error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}`,
    )
    host.exit(isFault ? 1 : error.status)
  }
}
