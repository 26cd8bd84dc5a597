/** Secrets of nobody that are hidden on purpose: a search that finds them would have found others. */
import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { randomUUID } from 'node:crypto'
import { percentEncoded } from './canaries.js'

/** Where a decoy is planted, and where it then has to be found. */
export const PLACES = {
  key: ['monitor (read)', 'redis (read)'],
  value: ['monitor (read)', 'redis (read)'],
  stream: ['monitor (read)', 'redis (read)'],
  job: ['monitor (read)', 'redis (read)'],
  published: ['monitor (read)'],
  log: ['logs (read)'],
  metrics: ['metrics (read)'],
  readyz: ['readyz (read)'],
  answers: ['answers (read)'],
} as const
export type Place = keyof typeof PLACES

/** Ways in which a secret may have been written. */
export const FORMS: Readonly<Record<string, (secret: string) => string>> = {
  'in clear': (secret) => secret,
  'in capitals': (secret) => secret.toUpperCase(),
  'percent-encoded': percentEncoded,
  'percent-encoded in part': (secret) => secret.replaceAll('-', '%2D'),
  'escaped as JSON may be': (secret) => secret.replaceAll('e', '\\u0065'),
  'escaped as Redis does': (secret) => secret.replaceAll('-', '\\x2d'),
  'escaped twice': (secret) => JSON.stringify(JSON.stringify(secret.replaceAll('-', '\\u002D'))),
  'in hexadecimal': (secret) => Buffer.from(secret).toString('hex'),
  'in base64': (secret) => Buffer.from(secret).toString('base64'),
  'in base64 behind a byte': (secret) => Buffer.from(`:${secret}:`).toString('base64'),
  'in base64 behind two bytes': (secret) => Buffer.from(`a:${secret}`).toString('base64url'),
}

/** One for each place. */
export function makeDecoys(): Record<Place, string> {
  const pairs = Object.keys(PLACES).map((place) => [place, `decoy-${place}-${randomUUID()}`])
  return Object.fromEntries(pairs) as Record<Place, string>
}

/** Hides those that belong to Redis. */
export async function plant(decoys: Record<Place, string>, redis: Redis, port: number): Promise<void> {
  await redis.set(`planted:${decoys.key}`, '')
  await redis.hset('planted', 'field', JSON.stringify({ token: decoys.value }))
  await redis.xadd('planted-stream', '*', 'token', decoys.stream)
  await redis.publish('planted', decoys.published)
  const queue = new Queue('token-expiry', { connection: { host: '127.0.0.1', port }, prefix: '{wazo-ws}' })
  await queue.add('token', { hash: decoys.job }, { delay: 3_600_000 })
  await queue.close()
}
