import type { Redis } from 'ioredis'

const KEYS_PER_SCAN = 1_000

/** Everything that Redis holds: of each key its type and all that is in it, as text. */
export async function dumpRedis(redis: Redis): Promise<Map<string, string>> {
  const dump = new Map<string, string>()
  let cursor = '0'
  do {
    const [next, keys] = await redis.scan(cursor, 'COUNT', KEYS_PER_SCAN)
    for (const key of keys) dump.set(key, await dumpKey(redis, key))
    cursor = next
  } while (cursor !== '0')
  return dump
}

async function dumpKey(redis: Redis, key: string): Promise<string> {
  const type = await redis.type(key)
  switch (type) {
    case 'string':
      return `${type} ${await redis.get(key)}`
    case 'hash':
      return `${type} ${JSON.stringify(await redis.hgetall(key))}`
    case 'list':
      return `${type} ${JSON.stringify(await redis.lrange(key, 0, -1))}`
    case 'set':
      return `${type} ${JSON.stringify(await redis.smembers(key))}`
    case 'zset':
      return `${type} ${JSON.stringify(await redis.zrange(key, 0, '-1', 'WITHSCORES'))}`
    case 'stream':
      return `${type} ${JSON.stringify(await redis.xrange(key, '-', '+'))}`
    case 'none': // gone meanwhile
      return type
    default:
      throw new Error(`${key} is a ${type}, which is not looked into`)
  }
}
