import { readFileSync } from 'node:fs'
import { describeSystemError } from '@wazo-websocketd/shared/runtime/system-error'
import { isToken, LoginError, type FreshToken } from './login.js'

/** Where a tail has its tokens from. */
export interface TokenSource {
  /** The token to connect with. @throws {LoginError} */
  current(): Promise<string>
  /** Another one than the last, which the server no longer takes; null: there is none. @throws {LoginError} */
  another(): Promise<string | null>
  /** From now on `renewed` gets each token that replaces one before its end. */
  keepFresh(renewed: (token: string) => void): void
  stop(): void
}

/** Gives a token of the command line or the environment. */
export class FixedToken implements TokenSource {
  private readonly token: string

  constructor(token: string) {
    this.token = token
  }

  current(): Promise<string> {
    return Promise.resolve(this.token)
  }

  another(): Promise<null> {
    return Promise.resolve(null)
  }

  keepFresh(): void {
    // There is no other one.
  }

  stop(): void {
    // Nothing runs.
  }
}

/** Reads a file that somebody else may write a new token into, at each connection. */
export class TokenFile implements TokenSource {
  private readonly path: string
  private last = ''

  constructor(path: string) {
    this.path = path
  }

  current(): Promise<string> {
    let text: string
    try {
      text = readFileSync(this.path, 'utf8').trim()
    } catch (error) {
      return Promise.reject(new LoginError(`${this.path}: ${describeSystemError(error)}`, false))
    }
    if (text === '') return Promise.reject(new LoginError(`${this.path}: has no token`, false))
    if (!isToken(text))
      return Promise.reject(new LoginError(`${this.path}: has more than a token, or something else`, false))
    this.last = text
    return Promise.resolve(text)
  }

  async another(): Promise<string | null> {
    const { last } = this
    const token = await this.current()
    return token === last ? null : token
  }

  keepFresh(): void {
    // It is read again when the server no longer takes the last one.
  }

  stop(): void {
    // Nothing runs.
  }
}

const RENEWED_AT_SHARE = 0.75
const RETRY_MS = 5000

/** Fetches tokens of wazo-auth for a user and a password, and replaces each at three quarters of its life. */
export class LoginTokens implements TokenSource {
  private readonly logIn: () => Promise<FreshToken>
  private readonly failed: (message: string) => void
  private readonly retryMs: number
  private fresh: FreshToken | null = null
  private timer: NodeJS.Timeout | undefined
  private renewed: (token: string) => void = () => undefined

  /** @param failed told of renewals that did not come off; they are tried again */
  constructor(logIn: () => Promise<FreshToken>, failed: (message: string) => void, retryMs = RETRY_MS) {
    this.logIn = logIn
    this.failed = failed
    this.retryMs = retryMs
  }

  async current(): Promise<string> {
    return this.fresh?.token ?? (await this.another())
  }

  async another(): Promise<string> {
    this.fresh = null
    this.fresh = await this.logIn()
    this.schedule(this.fresh.lifeMs * RENEWED_AT_SHARE)
    return this.fresh.token
  }

  keepFresh(renewed: (token: string) => void): void {
    this.renewed = renewed
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  private schedule(ms: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.renew(), ms).unref()
  }

  private async renew(): Promise<void> {
    try {
      this.fresh = await this.logIn()
      this.schedule(this.fresh.lifeMs * RENEWED_AT_SHARE)
      this.renewed(this.fresh.token)
    } catch (error) {
      this.failed(error instanceof Error ? error.message : String(error))
      this.schedule(this.retryMs)
    }
  }
}
