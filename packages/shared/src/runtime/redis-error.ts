import { maskedUrl } from './config/derived.js'
import { messageOf } from './startup-error.js'

/** OpenSSL's names for a certificate that is not to be trusted, as Node passes them on. */
const CERTIFICATE_FAULT = /SELF_SIGNED_CERT|UNABLE_TO_(GET_ISSUER|VERIFY)|^CERT_|ALTNAME/

/**
 * What a failed connection to Redis means and how to mend it, on one line. Never shows a password, nor the
 * error's own details, which hold the commands under way.
 */
export function describeRedisError(error: unknown, url: string, cluster: readonly string[] | null): string {
  const where = cluster === null ? `${maskedUrl(url)} (redis.url)` : `${cluster.join(', ')} (redis.cluster)`
  const message = deepestMessage(error)
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (message.includes('NOAUTH'))
    return `Redis at ${where} wants a password: set redis.url to redis://:PASSWORD@HOST:PORT`
  if (message.includes('WRONGPASS') || message.includes('invalid password'))
    return `Redis at ${where} refuses the user or password: correct redis.url`
  if (message.includes('NOPERM')) return `Redis at ${where} denies a command to its user: ${message}`
  if (CERTIFICATE_FAULT.test(code))
    return `the certificate of Redis at ${where} is not trusted (${message}): name the file of its authority in the environment variable NODE_EXTRA_CA_CERTS`
  if (code === 'ECONNREFUSED' || message.includes('ECONNREFUSED'))
    return `nothing listens at Redis's address ${where}: start redis-server or correct the address`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `the host of Redis is unknown: ${where}`
  if (code === 'ETIMEDOUT' || message.includes('ETIMEDOUT'))
    return `Redis at ${where} does not answer: trying again`
  return `Redis at ${where}: ${message}`
}

/** In a cluster the reason is with the last node that failed. */
function deepestMessage(error: unknown): string {
  const last = error instanceof Error && 'lastNodeError' in error ? error.lastNodeError : undefined
  return messageOf(last instanceof Error ? last : error)
}
