/** Opens and closes channels of amqplib, and reads the broker's refusals. */
import type { Channel, ChannelModel } from 'amqplib'
import { systemClock, type Clock } from '@wazo-websocketd/shared/runtime/clock'

/** A broker may take so long to confirm that it has closed a channel or a connection. */
export const CLOSE_MS_MAX = 2000

/** Reply codes of AMQP. */
export const ACCESS_REFUSED = 403
export const NOT_FOUND = 404
export const PRECONDITION_FAILED = 406

/** The reply code with which the broker closed the channel; undefined: `error` is of another kind. */
export function replyCode(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code
}

/** A channel of amqplib whose refusals show in rejected calls alone. */
export async function openChannel(connection: ChannelModel): Promise<Channel> {
  const channel = await connection.createChannel()
  channel.on('error', () => undefined) // the rejected call carries the same error
  return channel
}

/** Runs `call` on a channel of its own, since the broker closes the channel when it refuses. */
export async function onChannel(
  connection: ChannelModel,
  call: (channel: Channel) => Promise<unknown>,
  clock?: Clock,
): Promise<void> {
  const channel = await openChannel(connection)
  await call(channel)
  await closeQuietly(channel, clock)
}

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
