import type { ChannelModel } from 'amqplib'
import type { Logger } from 'pino'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { sleep, within } from '@wazo-websocketd/shared/runtime/sleep'
import type { FailureLog } from '../status/failure-log.js'
import { NOT_FOUND, PRECONDITION_FAILED, replyCode } from './channel.js'
import type { TopologyDeclarer } from './topology.js'

const DECLARE_MS_MAX = 10_000

export interface TopologyGuardParts {
  readonly topology: Pick<TopologyDeclarer, 'declare' | 'missingExchanges'>
  /** Says in one line what an error of the broker means; `lasting`: it has been said before. */
  readonly describeError: (error: unknown, lasting: boolean) => string
  /** Whether events cannot come in, because the broker refuses what they need. */
  readonly onRefused: (is: boolean) => void
  readonly failureLog: FailureLog
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Keeps exchanges and bindings in place for as long as an ingest is attached.
 *
 * Another program may unbind the stream, or delete an exchange and declare it again: the broker keeps delivering what is in
 * the stream, canaries too, and nothing shows that events no longer get there. When a binding is declared the broker does
 * not say whether it was there. So all of it is declared again every few seconds.
 */
export class TopologyGuard {
  private readonly intervalMs: number
  private readonly parts: TopologyGuardParts

  constructor(intervalMs: number, parts: TopologyGuardParts) {
    this.intervalMs = intervalMs
    this.parts = parts
  }

  /** Runs until `signal` is aborted, whatever the broker answers. Never rejects. */
  async run(connection: ChannelModel, signal: AbortSignal): Promise<void> {
    const { clock, onRefused, failureLog, describeError } = this.parts
    const isOver = (): boolean => signal.aborted
    for (;;) {
      await sleep(clock, this.intervalMs, signal)
      if (isOver()) return
      try {
        await within(clock, DECLARE_MS_MAX, 'declaring exchanges and stream', this.redeclare(connection))
        if (!isOver()) onRefused(false)
      } catch (error) {
        if (isOver()) return // the connection is gone, which others report
        if (keepsEventsOut(error)) onRefused(true)
        const note = '; events may not get into the stream'
        failureLog.report(describeError(error, false) + note, describeError(error, true) + note)
      }
    }
  }

  private async redeclare(connection: ChannelModel): Promise<void> {
    const { topology, log } = this.parts
    const exchanges = await topology.missingExchanges(connection)
    await topology.declare(connection)
    if (exchanges.length > 0)
      log.error(
        { exchanges },
        'somebody deleted exchanges: declared and bound again; what was published to them meanwhile is lost',
      )
  }
}

/** A missing permission does not keep events out: what has been declared before may still be there. */
function keepsEventsOut(error: unknown): boolean {
  const code = replyCode(error)
  return code === NOT_FOUND || code === PRECONDITION_FAILED
}
