import { maskedUrl } from './url.js'
import { messageOf } from '../runtime/startup-error.js'
import { errorCode } from '../runtime/system-error.js'
import { describeTlsError, type TlsKeys } from '../runtime/tls.js'

/** Where Redis is, as the keys of the configuration say. */
export interface RedisPlace {
  /** `redis.url`; for a cluster and behind sentinels it gives user, password, database and whether to use TLS. */
  readonly url: string
  /** `redis.cluster`: host:port of some nodes; null: no cluster. */
  readonly cluster: readonly string[] | null
  /** `redis.sentinels`: host:port of sentinels; null: none. */
  readonly sentinels?: readonly string[] | null
  /** `redis.sentinel_name`: what the sentinels call the master. */
  readonly sentinelName?: string
}

/** The answer of a server that is no master (any more), or not yet; the command has not been carried out. */
const NO_MASTER = /(^|-)(READONLY|MASTERDOWN|LOADING|UNBLOCKED)\b/

/** What a client says of a server that has closed the connection, whatever the server gave as its reason. */
const WITHOUT_REASON =
  /EPIPE|ECONNRESET|Connection is closed|Stream isn't writeable|Socket closed unexpectedly/
const NO_CONNECTION = /ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|Socket timeout/
/** Redis repeats the arguments of a command that it does not know, such as a renamed AUTH. */
const ARGUMENTS = /,? with args beginning with:.*/

/** Whether the error hides the reason for which the server closed the connection. */
export function hidesReason(error: unknown): boolean {
  return WITHOUT_REASON.test(deepestMessage(error))
}

/** Whether the error says no more than that there is no connection: whoever made that one tells why. */
export function isConnectionError(error: unknown): boolean {
  return hidesReason(error) || NO_CONNECTION.test(deepestMessage(error))
}

/** Whether another connection may lead to a server that takes the command. */
export function isNoMaster(error: unknown): boolean {
  return NO_MASTER.test(messageOf(error))
}

/**
 * What a failed connection to Redis means and how to mend it, on one line. Never shows a password, nor the
 * error's own details, which hold the commands under way.
 */
export function describeRedisError(error: unknown, place: RedisPlace): string {
  const { where, key } = whereIs(place)
  const message = deepestMessage(error).replace(ARGUMENTS, '')
  const code = errorCode(error)
  if (message.includes('NOAUTH'))
    return `Redis at ${where} wants a password: set redis.url to redis://:PASSWORD@HOST:PORT, or redis.password_file`
  if (message.includes('WRONGPASS') || message.includes('invalid password'))
    return `Redis at ${where} refuses the user or password: correct redis.url`
  if (message.includes('max number of clients'))
    return `Redis at ${where} takes no more connections: raise maxclients there, or end other clients (${message})`
  if (message.includes('DENIED'))
    return `Redis at ${where} is in protected mode and refuses other machines: set a password there (${message.split('.')[0]})`
  if (message.includes('NOPERM')) return `Redis at ${where} denies a command to its user: ${message}`
  if (isNoMaster(error)) return `Redis at ${where} takes no writes: connecting again (${message})`
  if (message.includes('DB index is out of range'))
    return `Redis at ${where} has no database of this number: correct the path of redis.url`
  const untold = describeTlsError(code, message, tlsKeys(key))
  if (untold !== null) return `Redis at ${where} ${untold}`
  if (code === 'ECONNREFUSED' || message.includes('ECONNREFUSED'))
    return `nothing listens at Redis's address ${where}: start redis-server or correct the address`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `the host of Redis is unknown: ${where}`
  if (code === 'ETIMEDOUT' || message.includes('ETIMEDOUT'))
    return `Redis at ${where} does not answer: trying again`
  if (/Stream isn't writeable|Connection is closed/.test(message))
    return `no connection to Redis at ${where}: it is closed, or opened and not answered`
  return `Redis at ${where}: ${message}`
}

/** The same for what a sentinel answered, `thrown`, or for that none did. */
export function describeSentinelError(thrown: unknown, { sentinels, sentinelName = '' }: RedisPlace): string {
  const where = `at ${(sentinels ?? []).join(', ')} (redis.sentinels)`
  const message = messageOf(thrown).replace(/^failed to connect to sentinel \S+ because /, '')
  if (/invalid reply|No such master/.test(message))
    return `no sentinel ${where} knows a master "${sentinelName}": correct redis.sentinel_name`
  if (/NOAUTH|WRONGPASS|invalid password/.test(message))
    return `the sentinels ${where} want another password than that of redis.url: correct it there (${message})`
  const untold = describeTlsError('', message, tlsKeys('redis.sentinels'))
  if (untold !== null) return `a sentinel ${where} ${untold}`
  return `no sentinel ${where} answers: start them or correct redis.sentinels (${message})`
}

/** Where Redis is, with the key that says so; without the password. */
export function placeOf(place: RedisPlace): string {
  return whereIs(place).where
}

function whereIs({ url, cluster, sentinels = null, sentinelName = '' }: RedisPlace) {
  if (cluster !== null) return { where: `${cluster.join(', ')} (redis.cluster)`, key: 'redis.cluster' }
  if (sentinels !== null)
    return {
      where: `master "${sentinelName}" of ${sentinels.join(', ')} (redis.sentinels)`,
      key: 'redis.sentinels',
    }
  return { where: `${maskedUrl(url)} (redis.url)`, key: 'redis.url' }
}

function tlsKeys(address: string): TlsKeys {
  return {
    address,
    tls: 'redis.url or redis.tls',
    ca: 'redis.tls.ca',
    own: 'redis.tls.cert and redis.tls.key',
  }
}

/** In a cluster the reason is with the last node that failed. */
function deepestMessage(error: unknown): string {
  const last = error instanceof Error && 'lastNodeError' in error ? error.lastNodeError : undefined
  return messageOf(last instanceof Error ? last : error)
}
