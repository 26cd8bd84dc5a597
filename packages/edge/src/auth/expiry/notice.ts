/** What a due job tells the workers of the whole cluster, outside of the sequence of events. Pure. */
import { channelIn } from '@wazo-websocketd/shared/redis/layout'
import type { TokenHash } from '@wazo-websocketd/shared/runtime/token-hash'

export interface ExpiryNotice {
  /** `re-check`: ask wazo-auth about the token. `expired`: its time is over. */
  readonly kind: 're-check' | 'expired'
  readonly hash: TokenHash
}

const EXPIRY_NOTICE = /^(re-check|expired) ([0-9a-f]{64})$/

/** The channel of the notices; in the hash slot of the queue's keys. */
export function expiryNoticeChannel(redisPrefix: string, database = 0): string {
  return channelIn(database, `{${redisPrefix}}:notices`)
}

export function encodeExpiryNotice({ kind, hash }: ExpiryNotice): string {
  return `${kind} ${hash}`
}

/** The notice in a message, or null: a later version may say more than this one understands. */
export function decodeExpiryNotice(message: string): ExpiryNotice | null {
  const [, kind, hash] = EXPIRY_NOTICE.exec(message) ?? []
  return kind === undefined ? null : { kind: kind as ExpiryNotice['kind'], hash: hash as TokenHash }
}
