import { setTimeout as sleep } from 'node:timers/promises'
import { Backoff } from '@wazo-websocketd/shared/runtime/backoff'
import { endingOf } from './close-status.js'
import { Conversation, type End } from './conversation.js'
import { LoginError } from './login.js'
import type { TokenSource } from './token-source.js'

// PROTOCOL.md, "Reconnecting": a random time up to 1 s, the bound doubled up to 30 s, anew after a session of a minute.
const RETRY_MS_FIRST = 1000
const RETRY_MS_MAX = 30_000
const LASTED_MS = 60_000
const FORBIDDEN = 403
/** As the server would say it. */
const AUTH_AWAY = 1013
/** Before there was a session. */
const STOPPED: End = { code: 1000, reason: '', refused: null }

export interface FollowerOptions {
  readonly url: URL
  readonly names: readonly string[]
  readonly tokens: TokenSource
  readonly reconnect: boolean
  readonly event: (body: string) => void
  /** A session has begun; `resumed`: null the first time, then whether nothing is missing, or why something may be. */
  readonly started: (resumed: null | true | string) => void
  /** A session, or an attempt, has ended and another one follows in `inMs`. */
  readonly retrying: (end: End, inMs: number) => void
}

/** Opens the sessions of a client one after the other, each going on where the one before ended. */
export class Follower {
  private readonly options: FollowerOptions
  private readonly stopping = new AbortController()
  private readonly backoff = new Backoff({ firstMs: RETRY_MS_FIRST, maxMs: RETRY_MS_MAX, jitter: 1 })
  private conversation: Conversation | null = null
  private position = ''
  private hasStarted = false
  /** No session has started with the present token. */
  private isUntried = true

  constructor(options: FollowerOptions) {
    this.options = options
    options.tokens.keepFresh((token) => this.conversation?.renew(token))
  }

  /** Ends with the session after which there is no other. @throws {LoginError} where there is no token */
  async run(): Promise<End> {
    const { tokens } = this.options
    try {
      let token = await tokens.current()
      if (this.isStopped()) return STOPPED
      for (;;) {
        const end = await this.converse(token)
        const next = this.isOver(end) ? null : await this.nextToken(end)
        if (next === null || this.isStopped()) return end
        token = next
        await this.pause(end)
        if (this.isStopped()) return end
      }
    } finally {
      tokens.stop()
    }
  }

  /** Ends the session in order, and `run` with it. */
  stop(): void {
    this.stopping.abort()
    this.conversation?.close()
  }

  private async converse(token: string): Promise<End> {
    const begin = performance.now()
    const { url, names } = this.options
    this.conversation = new Conversation({
      url,
      names,
      token,
      position: this.position,
      started: (id, why) => this.started(id, why),
      passed: (id) => (this.position = id),
      event: (body, id) => {
        this.options.event(body)
        this.position = id ?? this.position
      },
    })
    const end = await this.conversation.ended
    this.conversation = null
    if (performance.now() - begin >= LASTED_MS) this.backoff.reset()
    return end
  }

  private started(id: string | null, why: string | null): void {
    this.options.started(this.hasStarted ? (why ?? true) : null)
    this.hasStarted = true
    this.isUntried = false
    this.position = id ?? ''
  }

  private isStopped(): boolean {
    return this.stopping.signal.aborted
  }

  private isOver({ code, refused }: End): boolean {
    const hopeless = endingOf(code).comeBack === 'never' || refused === FORBIDDEN
    return !this.options.reconnect || this.isStopped() || hopeless
  }

  /** A token that no longer serves is replaced, one that never did is not: the next one would fare the same. null: give up. */
  private async nextToken({ code }: End): Promise<string | null> {
    const { tokens } = this.options
    if (endingOf(code).comeBack !== 'new token') return tokens.current()
    if (this.isUntried) return null
    this.isUntried = true
    while (!this.isStopped())
      try {
        return await tokens.another()
      } catch (error) {
        if (!(error instanceof LoginError) || !error.transient) throw error
        await this.pause({ code: AUTH_AWAY, reason: error.message, refused: null })
      }
    return null
  }

  private async pause(end: End): Promise<void> {
    const ms = this.backoff.next()
    this.options.retrying(end, ms)
    await sleep(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined)
  }
}
