/** A connection of the tool's own to Redis, for a few questions. */
import { RedisFactory, type RedisClient } from '@wazo-websocketd/shared/redis/client'
import { describeRedisError, type RedisPlace } from '@wazo-websocketd/shared/redis/errors'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { createLogger } from '@wazo-websocketd/shared/runtime/logger'
import { within } from '@wazo-websocketd/shared/runtime/sleep'
import type { ClientTls } from '@wazo-websocketd/shared/runtime/tls'

export interface RedisAccess {
  readonly client: RedisClient
  /** One line that says what a failure means and how to mend it. */
  describe(error: unknown): string
  close(): void
}

/**
 * Opens a connection.
 * @throws Error in one line when Redis does not serve within `msMax` milliseconds.
 */
export async function openRedis(
  place: RedisPlace,
  tls: ClientTls | null,
  msMax: number,
): Promise<RedisAccess> {
  // Errors are told once, by whoever asked, and not logged.
  const logger = createLogger({
    program: 'wazo-websocketd-ctl',
    level: 'critical',
    destination: { write: () => undefined },
  })
  const factory = new RedisFactory({ ...place, tls, logger, clock: systemClock, connectTimeoutMs: msMax })
  const client = factory.create('ctl')
  let last: unknown = null
  client.on('error', (error: unknown) => (last = error))
  const close = (): void => {
    client.on('error', () => undefined)
    factory.close()
  }
  try {
    await within(
      systemClock,
      msMax,
      'PING of Redis',
      ready(client, () => last),
    )
    return { client, describe: (error) => describeRedisError(error, place), close }
  } catch (error) {
    close()
    throw new Error(describeRedisError(last ?? error, place), { cause: error })
  }
}

/** Connecting goes on by itself; an error that a second try does not mend is told at once. */
async function ready(client: RedisClient, lastError: () => unknown): Promise<void> {
  const failed = new Promise<never>((_, reject) => {
    let errors = 0
    client.on('error', (error: unknown) => {
      if (++errors >= 2) reject(error instanceof Error ? error : new Error(String(error)))
    })
  })
  failed.catch(() => undefined)
  await Promise.race([client.ping(), failed])
  if (client.status !== 'ready')
    throw lastError() instanceof Error ? (lastError() as Error) : new Error('not ready')
}
