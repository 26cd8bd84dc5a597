import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import { hidesReason } from '@wazo-websocketd/shared/redis/errors'
import type { RedisCommands } from './publisher.js'

/** A Redis client that can be thrown away; ioredis's `Redis` and `Cluster` both can. */
export interface ReplaceableClient extends Pick<RedisCommands, 'callBuffer'> {
  readonly status: string
  disconnect(): void
}

export interface RedisConnectionOptions {
  /** Where Redis is, with the key that says so, for the texts of errors. */
  readonly where: string
  /** A client is given up after a call without an answer for so long. */
  readonly callTimeoutMs: number
  /** A client that has not become ready for so long is replaced. */
  readonly readyTimeoutMs: number
  /** A client is replaced at most so often because Redis does not serve. */
  readonly renewIntervalMs: number
}

/** A client is replaced at most so often while some of its calls are answered. */
const REPLACE_INTERVAL_MS = 5000
/** A refusal counts for so long after the last one: an ingest that only follows makes no call that would disprove it. */
const REFUSAL_MS = 3000

/**
 * Keeps a connection to Redis: replaces a dead client by itself. The client library waits for the kernel to give up
 * on a half-open connection, which takes a quarter of an hour; a fresh client does not.
 */
export class RedisConnection implements RedisCommands {
  private readonly options: RedisConnectionOptions
  private readonly clock: Clock
  private readonly create: () => ReplaceableClient
  private client: ReplaceableClient
  private unreadySince: number | null = null
  private renewedAt = -Infinity
  /** The command that Redis refused last because it does not serve; null: it serves. */
  private refused: string | null = null
  private refusal: Timer | null = null
  private stopped = false
  private answeredAt = -Infinity
  private replacedAt = -Infinity
  /** Called when `connected` may have changed. */
  onChange: () => void = () => undefined

  /** `create` makes a client that fails fast: no offline queue, nothing sent twice. */
  constructor(options: RedisConnectionOptions, clock: Clock, create: () => ReplaceableClient) {
    this.options = options
    this.clock = clock
    this.create = create
    this.client = create()
  }

  /** Whether Redis is connected, and serves. */
  get connected(): boolean {
    return this.isReady && this.refused === null
  }

  callBuffer(command: string, ...args: (string | number | Buffer)[]): Promise<unknown> {
    this.replaceIfNotReady()
    const { client } = this
    // One promise, not a race of two: this runs for every batch.
    return new Promise((resolve, reject) => {
      const sentAt = this.clock.monotonic()
      const answered = client.callBuffer(command, ...args)
      const timer = this.clock.after(this.options.callTimeoutMs, () => {
        reject(new Error(`Redis at ${this.options.where} does not answer`))
        // One node of a cluster may hang: calls to other nodes must not fail with it every time.
        const isSilent = this.answeredAt < sentAt
        if (isSilent || this.clock.monotonic() - this.replacedAt >= REPLACE_INTERVAL_MS) this.replace(client)
      })
      answered.then(
        (answer) => {
          timer.cancel()
          this.answeredAt = this.clock.monotonic()
          if (this.refused === commandKind(command)) this.setRefused(null)
          resolve(answer)
        },
        (error: unknown) => {
          timer.cancel()
          reject(this.explained(error))
        },
      )
    })
  }

  /** Makes a fresh client, which may find another server: this one answers `command`, but does not serve. */
  renew(command: string): void {
    this.setRefused(commandKind(command))
    this.refusal?.cancel()
    this.refusal = this.clock.after(REFUSAL_MS, () => this.setRefused(null))
    const now = this.clock.monotonic()
    if (now - this.renewedAt < this.options.renewIntervalMs) return
    this.renewedAt = now
    this.replace(this.client)
  }

  stop(): void {
    this.stopped = true
    this.refusal?.cancel()
    this.client.disconnect()
  }

  /** What the client library says of a connection that is not there tells nothing. */
  private explained(error: unknown): Error {
    if (hidesReason(error)) return new Error(`no connection to Redis at ${this.options.where}`)
    return error instanceof Error ? error : new Error(String(error))
  }

  private setRefused(command: string | null): void {
    if (this.refused === command) return
    this.refused = command
    this.onChange()
  }

  private get isReady(): boolean {
    return this.client.status === 'ready'
  }

  private replaceIfNotReady(): void {
    const now = this.clock.monotonic()
    if (this.isReady) this.unreadySince = null
    else {
      this.unreadySince ??= now
      if (now - this.unreadySince >= this.options.readyTimeoutMs) this.replace(this.client)
    }
  }

  private replace(client: ReplaceableClient): void {
    if (this.stopped || this.client !== client) return
    this.unreadySince = null
    this.replacedAt = this.clock.monotonic()
    client.disconnect()
    this.client = this.create()
  }
}

/** EVALSHA counts as EVAL: a script is sent as a whole where Redis does not know its digest. */
function commandKind(command: string): string {
  return command === 'EVALSHA' ? 'EVAL' : command
}
