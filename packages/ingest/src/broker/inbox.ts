import type { ConsumeMessage } from 'amqplib'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'

interface Waiter {
  resolve(message: ConsumeMessage | null): void
  reject(error: Error): void
}

/** Holds the messages of one consumer: taken one by one while attaching, pushed to a sink afterwards. */
export class MessageInbox {
  private readonly clock: Clock
  /** Bounded by the consumer's credit: nothing is acknowledged while messages wait here. */
  private readonly buffered: ConsumeMessage[] = []
  private waiter: Waiter | null = null
  private sink: ((message: ConsumeMessage) => void) | null = null
  private onEnd: ((why: string) => void) | null = null
  private ended: string | null = null

  constructor(clock: Clock) {
    this.clock = clock
  }

  put(message: ConsumeMessage): void {
    if (this.sink !== null) this.sink(message)
    else if (this.waiter !== null) this.waiter.resolve(message)
    else this.buffered.push(message)
  }

  /** Puts a message that was taken back in front of all others. */
  putBack(message: ConsumeMessage): void {
    this.buffered.unshift(message)
  }

  /** Ends the inbox with its consumer; idempotent. */
  end(why: string): void {
    if (this.ended !== null) return
    this.ended = why
    this.waiter?.reject(new Error(why))
    this.onEnd?.(why)
  }

  /** Takes the next message; null after `timeoutMs` without one. Rejects when the consumer has ended. */
  next(timeoutMs: number): Promise<ConsumeMessage | null> {
    const message = this.buffered.shift()
    if (message !== undefined) return Promise.resolve(message)
    if (this.ended !== null) return Promise.reject(new Error(this.ended))
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        timer.cancel()
        this.waiter = null
        outcome()
      }
      const timer = this.clock.after(timeoutMs, () => settle(() => resolve(null)))
      this.waiter = {
        resolve: (value) => settle(() => resolve(value)),
        reject: (error) => settle(() => reject(error)),
      }
    })
  }

  /** Pushes every message to `sink` from now on, those that have been waiting first. */
  flow(sink: (message: ConsumeMessage) => void, onEnd: (why: string) => void): void {
    this.sink = sink
    this.onEnd = onEnd
    for (const message of this.buffered.splice(0)) sink(message)
    if (this.ended !== null) onEnd(this.ended)
  }
}
