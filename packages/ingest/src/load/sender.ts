import { setTimeout as sleep } from 'node:timers/promises'
import type { ConfirmChannel } from 'amqplib'
import { Latencies } from '@wazo-websocketd/shared/runtime/latencies'
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import type { Pace } from './pace.js'
import type { Publication } from './templates.js'

/** Beyond it the sender waits for the broker. */
const UNCONFIRMED_MAX = 10_000
const TICK_MS = 5
const CONFIRM_MS_MAX = 10_000

/** Says that AMQP cannot carry an event: a name of more than 255 bytes, headers of more than 64 KiB. */
export class UnsendableError extends Error {
  override name = 'UnsendableError'
}

/** Sends events as the daemons of a Wazo do (transient, without an id), and waits for the broker's confirms. */
export class Sender {
  sent = 0
  confirmed = 0
  /** The broker says that it could not take them. */
  refused = 0
  /** No queue is bound to the exchange, so that nobody hears of them. */
  unroutable = 0
  readonly latencies = new Latencies()
  private readonly channel: ConfirmChannel

  constructor(channel: ConfirmChannel) {
    this.channel = channel
    channel.on('return', () => this.unroutable++)
  }

  /** Sends what is due until the pace is over, or `signal` is aborted; then waits for what is under way, 10 s at most. @throws {UnsendableError} */
  async run(pace: Pace, next: () => Publication, signal: AbortSignal): Promise<void> {
    const begin = performance.now()
    while (!signal.aborted) {
      const since = performance.now() - begin
      for (let due = pace.take(since, UNCONFIRMED_MAX - this.unconfirmed); due > 0; due--) this.send(next())
      if (pace.isOver(since)) break
      await sleep(TICK_MS)
    }
    const deadline = performance.now() + CONFIRM_MS_MAX
    while (this.unconfirmed > 0 && performance.now() < deadline && !signal.aborted) await sleep(TICK_MS)
  }

  get unconfirmed(): number {
    return this.sent - this.confirmed - this.refused
  }

  private send({ exchange, routingKey, headers, body }: Publication): void {
    const at = performance.now()
    const properties = {
      headers,
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      persistent: false,
      mandatory: true,
      timestamp: Math.floor(Date.now() / 1000),
    }
    try {
      this.channel.publish(exchange, routingKey, Buffer.from(body), properties, (error: unknown) => {
        if (error !== null && error !== undefined) this.refused++
        else {
          this.confirmed++
          this.latencies.record(performance.now() - at)
        }
      })
    } catch (error) {
      throw new UnsendableError(`event ${this.sent + 1} cannot be sent: ${messageOf(error)}`)
    }
    this.sent++
  }
}
