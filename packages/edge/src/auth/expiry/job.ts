/** The jobs of the queue `token-expiry`: what those who add them and those who process them agree on. Pure. */
import { isRecord } from '@wazo-websocketd/shared/domain/guards'
import type { TokenHash } from '@wazo-websocketd/shared/runtime/token-hash'
import { parseUtc } from '../token-answer.js'

export const EXPIRY_QUEUE = 'token-expiry'

/** When the workers that hold sessions of a token are to look at it again. Times are wazo-auth's Unix time in ms. */
export interface ExpiryJob {
  readonly hash: TokenHash
  readonly expiresAt: number
  /** Not before `expiresAt`: the token is over by then. Otherwise it is to be checked. */
  readonly dueAt: number
}

/** A job as it stands in Redis; the times as wazo-auth writes them. The token itself is nowhere in it. */
export interface ExpiryJobData {
  readonly hash: string
  readonly utc_expires_at: string
  readonly utc_due_at: string
}

const HASH = /^[0-9a-f]{64}$/

/** The prefix of BullMQ's keys: in braces, so that all of them share a hash slot of Redis Cluster. */
export function queuePrefix(redisPrefix: string): string {
  return `{${redisPrefix}}`
}

/** One job per token in the whole cluster: a second one of this id is not added. BullMQ refuses ids that are all digits. */
export function jobId(hash: TokenHash): string {
  return `t${hash}`
}

export function jobData({ hash, expiresAt, dueAt }: ExpiryJob): ExpiryJobData {
  return { hash, utc_expires_at: utc(expiresAt), utc_due_at: utc(dueAt) }
}

/** The job in `data`, or null when it is none of the form that is known here, which has no `form`. */
export function parseJobData(data: unknown): ExpiryJob | null {
  if (!isRecord(data)) return null
  const { hash, utc_expires_at, utc_due_at, form } = data
  if (form !== undefined) return null
  const expiresAt = parseUtc(utc_expires_at)
  const dueAt = parseUtc(utc_due_at)
  if (typeof hash !== 'string' || !HASH.test(hash) || expiresAt === null || dueAt === null) return null
  return { hash: hash as TokenHash, expiresAt, dueAt }
}

function utc(ms: number): string {
  return new Date(ms).toISOString()
}
