/** Keeps exchanges and bindings as they have to be for as long as an ingest is attached. */
import type { ChannelModel } from 'amqplib'
import type { Logger } from 'pino'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { FailureLog } from '../status/failure-log.js'
import { sleep, within } from '@wazo-websocketd/shared/runtime/sleep'

const ONCE_MS_MAX = 10_000

export interface TopologyGuardParts {
  /** Names of exchanges that the broker should have and does not. */
  readonly missing: (connection: ChannelModel) => Promise<readonly string[]>
  /** Idempotent; on channels of its own, so that a refusal harms no other. */
  readonly declare: (connection: ChannelModel) => Promise<void>
  /** An error of the broker in one line; `lasting`: it has been said before. */
  readonly explain: (error: unknown, lasting: boolean) => string
  /** Whether events cannot come in, because the broker refuses what they need. */
  readonly refused: (is: boolean) => void
  readonly failureLog: FailureLog
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Somebody may unbind the stream, or delete an exchange and declare it again: the broker keeps delivering what is in
 * the stream, canaries too, and nothing shows that events no longer get there. The broker does not tell either
 * whether a binding was there when it is declared: so all of it is declared again every few seconds.
 */
export class TopologyGuard {
  private readonly intervalMs: number
  private readonly parts: TopologyGuardParts

  constructor(intervalMs: number, parts: TopologyGuardParts) {
    this.intervalMs = intervalMs
    this.parts = parts
  }

  /** Goes on until `signal` is aborted, whatever the broker answers. Never rejects. */
  async run(connection: ChannelModel, signal: AbortSignal): Promise<void> {
    const { clock, refused, failureLog, explain } = this.parts
    const isOver = (): boolean => signal.aborted
    for (;;) {
      await sleep(clock, this.intervalMs, signal)
      if (isOver()) return
      try {
        await within(clock, ONCE_MS_MAX, 'declaring exchanges and stream', this.once(connection))
        if (!isOver()) refused(false)
      } catch (error) {
        if (isOver()) return // the connection is gone, which others report
        if (keepsEventsOut(error)) refused(true)
        const note = '; events may not get into the stream'
        failureLog.report(explain(error, false) + note, explain(error, true) + note)
      }
    }
  }

  private async once(connection: ChannelModel): Promise<void> {
    const exchanges = await this.parts.missing(connection)
    await this.parts.declare(connection)
    if (exchanges.length > 0)
      this.parts.log.error(
        { exchanges },
        'somebody deleted exchanges: declared and bound again; what was published to them meanwhile is lost',
      )
  }
}

const NOT_FOUND = 404
const PRECONDITION_FAILED = 406

/** A missing permission does not: what has been declared before may still be there. */
function keepsEventsOut(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return code === NOT_FOUND || code === PRECONDITION_FAILED
}
