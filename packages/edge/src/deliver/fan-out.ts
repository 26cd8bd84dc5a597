import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'

export interface FanOutOptions {
  readonly router: { route(event: BusEvent): void }
  /** Remembered answers about tokens. */
  readonly verdicts: { forget(sessionUuid: string): void }
  readonly sessions: { revoke(sessionUuid: string, partition: number, offset: Offset): void }
  readonly clock: Pick<Clock, 'monotonic'>
  readonly metrics: { fanOutTook(seconds: number): void }
}

/** Takes a batch through the worker: routes each event, then ends the sessions of the token that it revokes. */
export class FanOut {
  private readonly options: FanOutOptions

  constructor(options: FanOutOptions) {
    this.options = options
  }

  /** Delivers events of one partition, in order. */
  deliver(partition: number, events: readonly BusEvent[]): void {
    const { router, verdicts, sessions, clock, metrics } = this.options
    const begun = clock.monotonic()
    for (const event of events) {
      router.route(event)
      if (event.revokedSession === null) continue
      verdicts.forget(event.revokedSession)
      sessions.revoke(event.revokedSession, partition, event.offset)
    }
    metrics.fanOutTook((clock.monotonic() - begun) / 1000)
  }
}
