/** One question to one Redis, on a connection of its own: for servers that change their roles, hang, or die. */
import { Redis } from 'ioredis'

/** A server that does not answer within this is taken for dead. */
const ANSWER_MS_MAX = 500

/**
 * @param {{ port: number }} server
 * @param {string} command
 * @param {...(string | number | Buffer)} args
 * @returns {Promise<unknown>} its answer; rejects when that is an error, or does not come in time
 */
export async function ask({ port }, command, ...args) {
  const redis = new Redis({
    ...{ port, host: '127.0.0.1', lazyConnect: true, enableReadyCheck: false, maxRetriesPerRequest: 0 },
    ...{ connectTimeout: ANSWER_MS_MAX, commandTimeout: ANSWER_MS_MAX, retryStrategy: () => null },
  })
  redis.on('error', () => {}) // the call rejects with it
  try {
    await redis.connect()
    return await redis.call(command, args)
  } finally {
    redis.disconnect()
  }
}

/**
 * The same, and null instead of an error.
 * @param {Parameters<typeof ask>} question
 * @returns {Promise<any>}
 */
export function askIfAlive(...question) {
  return ask(...question).catch(() => null)
}
