/** What a due job tells the workers of the whole cluster, outside of the sequence of events. Pure. */
import { channelIn } from '@wazo-websocketd/shared/redis/layout'
import type { TokenHash } from '@wazo-websocketd/shared/runtime/token-hash'

export interface Notice {
  /** `re-check`: ask wazo-auth about the token. `expired`: its time is over. */
  readonly kind: 're-check' | 'expired'
  readonly hash: TokenHash
}

const NOTICE = /^(re-check|expired) ([0-9a-f]{64})$/

/** The channel of the notices; in the hash slot of the queue's keys. */
export function noticeChannel(redisPrefix: string, database = 0): string {
  return channelIn(database, `{${redisPrefix}}:notices`)
}

export function encodeNotice({ kind, hash }: Notice): string {
  return `${kind} ${hash}`
}

/** The notice in a message, or null: a later version may say more than this one understands. */
export function decodeNotice(message: string): Notice | null {
  const [, kind, hash] = NOTICE.exec(message) ?? []
  return kind === undefined ? null : { kind: kind as Notice['kind'], hash: hash as TokenHash }
}
