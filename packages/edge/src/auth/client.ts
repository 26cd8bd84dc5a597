import type { TokenDetails, TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import { Backoff } from '@wazo-websocketd/shared/runtime/backoff'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Outage } from '@wazo-websocketd/shared/runtime/outage-log'
import { sleep } from '@wazo-websocketd/shared/runtime/sleep'
import { describeTlsError, readAuthorities } from '@wazo-websocketd/shared/runtime/tls'
import { Pool } from 'undici'
import { aclExcess, type AclLimits } from './acl-limits.js'
import type { ClockOffset } from './clock-offset.js'
import { exchange, type HttpAnswer, type HttpRequest } from './exchange.js'
import type { LookupRequest, VerdictSource } from './lookup.js'
import type { AuthMetrics, AuthRequestResult } from './metrics.js'
import { parseServiceToken, parseTokenAnswer, type ServiceToken } from './token-answer.js'

/** The ACL that a token needs to connect here. */
const SCOPE = 'websocketd'
const NOBODYS_TOKEN = 'nobody'
const SERVICE_TOKEN_LIFE_S = 21_600
const KEEP_ALIVE_MS = 30_000
const RETRY_DELAY_FIRST_MS = 100
const RETRY_DELAY_MAX_MS = 1_000
/** Where nobody is there to answer, a look-up waits so long in all: a restart of wazo-auth takes less. */
const UNREACHABLE_MS_MAX = 1_500
/** Codes of connections that are refused at once, or cannot be tried. */
const UNREACHABLE_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
])
/** What a proxy answers that finds no wazo-auth behind it. */
const UNREACHABLE_STATUSES: ReadonlySet<number> = new Set([502, 503])

export interface AuthClientOptions {
  /** wazo-auth up to its prefix: `http://localhost:80/api/auth`. */
  readonly url: string
  /** `auth.verify_certificate`: true, false, or a file with the certificates to trust. */
  readonly verifyCertificate: boolean | string
  /** Deadline of one request. */
  readonly tryMs: number
  /** Connections, and so requests under way, at most. */
  readonly connectionsMax: number
  readonly aclLimits: AclLimits
  /** Whether tokens may have no tenant: an old Wazo. */
  readonly tenantless: boolean
  /** The same, with what stands for equal parts of the tokens of many sessions (`Registry.share`). */
  readonly intern: (details: TokenDetails) => TokenDetails
  readonly clock: Clock
  readonly offset: ClockOffset
  readonly metrics: AuthMetrics
  readonly outage: Outage
}

export interface ServiceCredentials {
  readonly username: string
  readonly password: string
}

/** How the creation of a service token ended; `why` names what failed, never a secret. */
export type ServiceTokenAnswer =
  | { readonly kind: 'created'; readonly token: ServiceToken }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'unavailable'; readonly why: string }

/** One request that has ended; `since`: monotonic milliseconds before it was sent. */
interface CompletedRequest {
  readonly answer: HttpAnswer
  readonly since: number
}

/** What one try brought, and whether another one may bring more. */
interface LookupTry {
  readonly verdict: Verdict
  readonly again: boolean
  readonly result: AuthRequestResult
}

const UNAVAILABLE: Verdict = { kind: 'unavailable' }

/** Asks wazo-auth over pooled keep-alive connections. Never rejects and never lets a token into a text. */
export class AuthClient implements VerdictSource {
  private readonly options: AuthClientOptions
  private readonly pool: Pool
  private readonly resource: string
  /** Whether nobody was there to answer the last request. */
  private unreachable = false

  /** @throws StartupError when the file of `verifyCertificate` cannot be read. */
  constructor(options: AuthClientOptions) {
    this.options = options
    const { origin, pathname } = new URL(options.url)
    this.resource = `${pathname.replace(/\/+$/, '')}/0.1/token`
    this.pool = new Pool(origin, {
      connections: options.connectionsMax,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connect: { ...trust(options.verifyCertificate), timeout: options.tryMs },
    })
  }

  /**
   * What the token may do. Failures of wazo-auth are retried with growing delays until the deadline, or for a shorter
   * time where nobody is there to answer; only 200, 403 and 404 are answers about the token, any other status is none.
   */
  async lookup(request: LookupRequest): Promise<Verdict> {
    const { clock } = this.options
    const backoff = new Backoff({ firstMs: RETRY_DELAY_FIRST_MS, maxMs: RETRY_DELAY_MAX_MS })
    for (;;) {
      const { verdict, again } = await this.tryLookup(request.token, request.deadline - clock.monotonic())
      if (!again) return verdict
      const delay = this.delayBeforeRetry(request, backoff.next())
      if (delay === null) return UNAVAILABLE
      await sleep(clock, delay)
      if (!request.wanted) return UNAVAILABLE
    }
  }

  isHopeless({ since }: LookupRequest): boolean {
    return this.unreachable && this.options.clock.monotonic() >= since + UNREACHABLE_MS_MAX
  }

  /** Creates a token for this service; its metadata name the master tenant. One try. */
  async createToken({ username, password }: ServiceCredentials): Promise<ServiceTokenAnswer> {
    const basic = Buffer.from(`${username}:${password}`).toString('base64')
    const done = await this.send({
      path: this.resource,
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': 'application/json',
        authorization: `Basic ${basic}`,
      },
      body: JSON.stringify({ expiration: SERVICE_TOKEN_LIFE_S }),
      timeoutMs: this.options.tryMs,
    })
    const { answer, since } = done
    if (answer.kind === 'failed') {
      this.count(answer.timedOut ? 'timeout' : 'network', since)
      this.tell('network', answer)
      return { kind: 'unavailable', why: describeHttpError(answer.why, this.options.url) }
    }
    if (answer.kind === 'too-big' || answer.status !== 200) return this.notCreated(answer, since)
    const token = parseServiceToken(answer.body, this.options.tenantless)
    this.count(token === null ? 'garbage' : 'valid', since)
    this.tell(token === null ? 'garbage' : 'valid', answer)
    if (token === null) return { kind: 'unavailable', why: 'its answer is not understood' }
    this.readClock(done)
    return { kind: 'created', token }
  }

  /** Asks about a token that nobody has, for the time of the answer. One try. */
  async readTime(): Promise<void> {
    const done = await this.send({
      path: `${this.resource}/${NOBODYS_TOKEN}`,
      method: 'HEAD',
      headers: {},
      timeoutMs: this.options.tryMs,
    })
    const { answer, since } = done
    if (answer.kind !== 'answered' || answer.status !== 404) return
    this.count('invalid', since)
    this.tell('invalid', answer)
    this.readClock(done)
  }

  async close(): Promise<void> {
    await this.pool.destroy()
  }

  private notCreated(answer: Exclude<HttpAnswer, { kind: 'failed' }>, since: number): ServiceTokenAnswer {
    if (answer.kind === 'too-big') {
      this.count('garbage', since)
      return { kind: 'unavailable', why: 'its answer is too big' }
    }
    const { status } = answer
    this.count(status >= 500 ? 'server-error' : 'refused', since)
    if (status >= 500) return { kind: 'unavailable', why: `it answers status ${status}` }
    return { kind: 'refused', status }
  }

  /** Milliseconds; null: a retry would come too late. While wazo-auth is unreachable the last one comes at the end. */
  private delayBeforeRetry({ since, deadline }: LookupRequest, delay: number): number | null {
    const now = this.options.clock.monotonic()
    if (this.unreachable) {
      const left = Math.min(since + UNREACHABLE_MS_MAX, deadline) - now
      return left <= 0 ? null : Math.min(delay, left)
    }
    return now + delay < deadline ? delay : null
  }

  private async tryLookup(token: TokenId, leftMs: number): Promise<LookupTry> {
    const done = await this.send({
      path: `${this.resource}/${encodeURIComponent(token)}?scope=${SCOPE}`,
      method: 'GET',
      headers: { accept: 'application/json' },
      timeoutMs: Math.max(1, Math.min(this.options.tryMs, leftMs)),
    })
    const tried = interpretAnswer(token, done.answer, this.options)
    this.count(tried.result, done.since)
    this.tell(tried.result, done.answer)
    if (tried.result === 'valid' || tried.result === 'invalid') this.readClock(done)
    return tried
  }

  private async send(request: Omit<HttpRequest, 'pool' | 'clock'>): Promise<CompletedRequest> {
    const { clock } = this.options
    const since = clock.monotonic()
    const answer = await exchange({ ...request, pool: this.pool, clock })
    this.unreachable = isUnreachable(answer)
    return { answer, since }
  }

  /** Only for answers that are wazo-auth's: the error page of a proxy tells the time of the proxy. */
  private readClock({ answer, since }: CompletedRequest): void {
    if (answer.kind === 'answered') this.options.offset.sample(answer.date, since, answer.headersAt)
  }

  /** Whether wazo-auth answers at all, for the log. */
  private tell(result: AuthRequestResult, answer: HttpAnswer): void {
    const { outage, url } = this.options
    if (result === 'valid' || result === 'invalid') outage.recovers('requests')
    else
      outage.fails(
        'requests',
        `wazo-auth at ${addressOf(url)} (auth.host and auth.port) cannot be asked about tokens: ${whyNot(answer, url)}; clients get 1013 meanwhile`,
      )
  }

  private count(result: AuthRequestResult, since: number): void {
    this.options.metrics.requested(result, (this.options.clock.monotonic() - since) / 1_000)
  }
}

/** host:port, also where the port is that of the scheme. */
function addressOf(url: string): string {
  const { hostname, port, protocol } = new URL(url)
  return `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
}

/** Why an answer says nothing about a token, in words. */
function whyNot(answer: HttpAnswer, url: string): string {
  if (answer.kind === 'failed') return describeHttpError(answer.why, url)
  if (answer.kind === 'too-big') return 'its answer is too big'
  const { status } = answer
  if (status === 200) return 'its answer is not understood'
  return `it answers status ${status}${status < 500 ? ': check auth.host, auth.port and auth.prefix' : ''}`
}

function isUnreachable(answer: HttpAnswer): boolean {
  if (answer.kind === 'failed') return !answer.timedOut && UNREACHABLE_CODES.has(answer.why)
  return answer.kind === 'answered' && UNREACHABLE_STATUSES.has(answer.status)
}

function interpretAnswer(
  token: TokenId,
  answer: HttpAnswer,
  { aclLimits, tenantless, intern }: Pick<AuthClientOptions, 'aclLimits' | 'tenantless' | 'intern'>,
): LookupTry {
  if (answer.kind === 'failed')
    return { verdict: UNAVAILABLE, again: true, result: answer.timedOut ? 'timeout' : 'network' }
  if (answer.kind === 'too-big')
    return { verdict: { kind: 'oversized', limit: 'size of the ACL' }, again: false, result: 'valid' }
  const { status, body } = answer
  if (status === 403 || status === 404)
    return { verdict: { kind: 'invalid' }, again: false, result: 'invalid' }
  if (status >= 500 || status === 408 || status === 429)
    return { verdict: UNAVAILABLE, again: true, result: 'server-error' }
  // Not about the token: a wrong address, a proxy that wants credentials. Asking again changes nothing.
  if (status !== 200) return { verdict: UNAVAILABLE, again: false, result: 'refused' }
  const details = parseTokenAnswer(token, body, tenantless)
  if (details === null) return { verdict: UNAVAILABLE, again: true, result: 'garbage' }
  const limit = aclExcess(details.acl, aclLimits)
  if (limit !== null) return { verdict: { kind: 'oversized', limit }, again: false, result: 'valid' }
  return { verdict: { kind: 'valid', details: intern(details) }, again: false, result: 'valid' }
}

function trust(verify: boolean | string): { rejectUnauthorized: boolean; ca?: string } {
  if (typeof verify === 'boolean') return { rejectUnauthorized: verify }
  return { rejectUnauthorized: true, ca: readAuthorities('auth.verify_certificate', verify) }
}

const KEYS = { address: 'auth.host and auth.port', tls: 'auth.https', ca: 'auth.verify_certificate' }

/** In words, of an error code; what it means for TLS names the key to correct. */
function describeHttpError(code: string, url: string): string {
  if (code === 'ECONNREFUSED') return 'nothing listens there (ECONNREFUSED)'
  const untold = describeTlsError(code, code, KEYS)
  if (untold !== null) return `it ${untold}`
  return url.startsWith('http:') && /^(UND_ERR_SOCKET|ECONNRESET|HPE_)/.test(code)
    ? `it closes the connection (${code}): if it speaks TLS on this port, set auth.https, or correct auth.port`
    : code
}
