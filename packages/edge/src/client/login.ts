import { isRecord } from '@wazo-websocketd/shared/domain/guards'
import { errorCode } from '@wazo-websocketd/shared/runtime/system-error'

const REQUEST_MS_MAX = 10_000

export interface LoginRequest {
  /** Of wazo-auth, with the prefix: `https://host/api/auth`. */
  readonly authUrl: URL
  readonly username: string
  readonly password: string
}

export interface FreshToken {
  readonly token: string
  /** Milliseconds. */
  readonly lifeMs: number
}

/** Whether it can be a token: a header takes no other. */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text)
}

/** Says why wazo-auth gave no token; the message is one line without a secret. */
export class LoginError extends Error {
  override name = 'LoginError'
  /** Whether the same credentials may do later. */
  readonly transient: boolean

  constructor(message: string, transient: boolean) {
    super(message)
    this.transient = transient
  }
}

/**
 * Asks wazo-auth for a token that lives `lifeMs` (`POST /0.1/token`).
 * @throws {LoginError}
 */
export async function logIn(
  { authUrl, username, password }: LoginRequest,
  lifeMs: number,
): Promise<FreshToken> {
  const basic = Buffer.from(`${username}:${password}`).toString('base64')
  const answer = await request(new URL(`${authUrl.pathname.replace(/\/$/, '')}/0.1/token`, authUrl), {
    method: 'POST',
    headers: { authorization: `Basic ${basic}`, 'content-type': 'application/json' },
    body: JSON.stringify({ expiration: Math.round(lifeMs / 1000) }),
    signal: AbortSignal.timeout(REQUEST_MS_MAX),
  })
  if (answer.status === 401)
    throw new LoginError(`wazo-auth at ${authUrl.host} refuses user ${username}, or the password`, false)
  if (answer.status !== 200)
    throw new LoginError(`wazo-auth at ${authUrl.host} answers HTTP ${answer.status}`, answer.status >= 500)
  const root: unknown = await answer.json().catch(() => null)
  const data = isRecord(root) ? root['data'] : null
  if (!isRecord(data) || typeof data['token'] !== 'string' || !isToken(data['token']))
    throw new LoginError(`what answers at ${authUrl.host} is not wazo-auth: check --auth-url`, false)
  return { token: data['token'], lifeMs }
}

async function request(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error
    const why = errorCode(cause) || (cause instanceof Error ? cause.message : 'no answer')
    throw new LoginError(`wazo-auth at ${url.host} cannot be asked: ${why}`, true)
  }
}
