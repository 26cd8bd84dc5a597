import { systemClock, type Clock } from '@wazo-websocketd/shared/runtime/clock'

/** How long a broker may take to say that it has closed a channel or a connection. */
export const CLOSE_MS_MAX = 2000

/** A channel or a connection of amqplib. */
export interface Closable {
  close(): Promise<unknown>
  once(event: 'close', listener: () => void): unknown
  removeListener(event: 'close', listener: () => void): unknown
}

/**
 * Closes; resolves once that is done, or cannot be waited for any longer. Never rejects.
 *
 * amqplib settles `close()` on the broker's CloseOk and on nothing else: a connection that dies before, or
 * a broker that has frozen, would leave the caller waiting for ever.
 */
export function closeQuietly(what: Closable, clock: Clock = systemClock): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel()
      what.removeListener('close', done)
      resolve()
    }
    const timer = clock.after(CLOSE_MS_MAX, done)
    what.once('close', done)
    what.close().then(done, done)
  })
}
