import { Backoff } from '@wazo-websocketd/shared/runtime/backoff'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import { OutageLog } from '@wazo-websocketd/shared/runtime/outage-log'
import type { Logger } from 'pino'
import type { ServiceCredentials, ServiceTokenAnswer } from './client.js'

const RENEWED_AT_SHARE = 0.85
const RETRY_DELAY_FIRST_MS = 1_000
const RETRY_DELAY_MAX_MS = 32_000

export interface ServiceTokenOptions {
  readonly client: { createToken(credentials: ServiceCredentials): Promise<ServiceTokenAnswer> }
  readonly credentials: ServiceCredentials
  readonly clock: Clock
  /** wazo-auth's time, milliseconds of Unix time. */
  readonly authTime: () => number
  readonly logger: Logger
  /** Takes the tenant of each token that is created. */
  readonly created: (tenantUuid: string) => void
}

/** Keeps a token of this service's own at wazo-auth, whose tenant is the master tenant (C4). */
export class ServiceTokenKeeper {
  private readonly options: ServiceTokenOptions
  private readonly backoff = new Backoff({
    firstMs: RETRY_DELAY_FIRST_MS,
    maxMs: RETRY_DELAY_MAX_MS,
    jitter: 0,
  })
  private timer: Timer | null = null
  private readonly outage: OutageLog
  /** Another object after each start; null: stopped. */
  private run: object | null = null

  constructor(options: ServiceTokenOptions) {
    this.options = options
    const { clock, logger: log } = options
    this.outage = new OutageLog({ over: 'wazo-auth gives service tokens again', clock, log })
  }

  /** Asks for a token, and again before its end or after a failure; idempotent. */
  start(): void {
    if (this.run !== null) return
    this.run = {}
    this.backoff.reset()
    void this.renew()
  }

  /** Asks no more; idempotent. */
  stop(): void {
    this.run = null
    this.timer?.cancel()
    this.outage.close()
  }

  private async renew(): Promise<void> {
    const { run } = this
    const answer = await this.options.client.createToken(this.options.credentials)
    if (run !== this.run) return
    if (answer.kind === 'created') this.take(answer.token.tenantUuid, answer.token.expiresAt)
    else this.fail(answer)
  }

  private take(tenantUuid: string, expiresAt: number): void {
    const { authTime, created } = this.options
    const lifeMs = expiresAt - authTime()
    this.backoff.reset()
    this.outage.recovers('token')
    this.schedule(Math.max(lifeMs * RENEWED_AT_SHARE, RETRY_DELAY_FIRST_MS))
    created(tenantUuid)
  }

  private fail(answer: Exclude<ServiceTokenAnswer, { kind: 'created' }>): void {
    const delayMs = this.backoff.next()
    this.schedule(delayMs)
    this.outage.fails('token', describeRefusal(answer))
  }

  private schedule(delayMs: number): void {
    this.timer = this.options.clock.after(delayMs, () => void this.renew())
  }
}

function describeRefusal(answer: Exclude<ServiceTokenAnswer, { kind: 'created' }>): string {
  if (answer.kind === 'unavailable') return `wazo-auth gives no service token: ${answer.why}`
  if (answer.status === 401)
    return 'wazo-auth refuses the credentials of this service: check auth.key_file, or auth.username and auth.password'
  return `wazo-auth answers status ${answer.status} to the request for a service token: check auth.host, auth.port and auth.prefix`
}
