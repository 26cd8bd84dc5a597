/** Answers of wazo-auth, over real HTTP: status, headers, bodies cut short, and every field of every type. */
import { createServer, type AddressInfo, type Server } from 'node:net'
import { once } from 'node:events'
import fc from 'fast-check'
import { AuthClient } from '@wazo-websocketd/edge/auth/client'
import { ClockOffset } from '@wazo-websocketd/edge/auth/clock-offset'
import { parseServiceToken } from '@wazo-websocketd/edge/auth/token-answer'
import type { TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import { systemClock, type Clock } from '@wazo-websocketd/shared/runtime/clock'
import { Counts } from '../../support/fakes/tokens.js'
import { hold, Tally, type Area, type Subject } from '../area.js'
import { damaged, json, noise, oddJson, oddName } from '../odd.js'

const TOKEN = 'the-token' as TokenId
const ANSWERED_MS_MAX = 30_000
const ACL_LIMITS = { patternsMax: 20, patternBytesMax: 64 }

interface Answer {
  readonly status: number
  readonly headers: readonly string[]
  readonly body: Buffer
  /** How its length is told. `short`: the connection ends before all of it has come. */
  readonly framing: 'length' | 'chunked' | 'end' | 'short' | 'none'
}

const expiry = fc.oneof(
  {
    weight: 30,
    arbitrary: fc
      .constantFrom('2099-01-01T00:00:00.000000', '2099-01-01 00:00:00', '2099-12-31T23:59:59.5Z')
      .map((t) => JSON.stringify(t)),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(
        '2099-02-30T00:00:00',
        '2099-01-01T24:00:00',
        '2099-01-01T00:00:00+02:00',
        '2099-01-01',
        '0000-00-00T00:00:00',
        ' 2099-01-01T00:00:00',
        '2099-01-01T00:00:00\n',
        '٢٠٩٩-01-01T00:00:00',
      )
      .map((t) => JSON.stringify(t)),
  },
  { weight: 1, arbitrary: oddJson },
)
const text = fc.oneof(
  { weight: 60, arbitrary: fc.constantFrom('"u1"', '"t1"') },
  {
    weight: 1,
    arbitrary: fc.oneof(
      oddName.map((t) => JSON.stringify(t)),
      oddJson,
    ),
  },
)
const acl = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom('["websocketd","events.#"]', '[]', '["!x"]') },
  { weight: 1, arbitrary: fc.array(json, { maxLength: 3 }).map((items) => `[${items.join()}]`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      `["${'x'.repeat(65)}"]`,
      `[${Array(21).fill('"x"').join()}]`,
      '{"0":"x","length":1}',
      '"websocketd"',
    ),
  },
)
const flag = fc.oneof(fc.constantFrom('true', 'false', 'null', '"true"', '1', '{}'), oddJson)
const purpose = fc.oneof(fc.constantFrom('"user"', '"internal"', '"external_api"', '["internal"]'), oddJson)

/** An object of these members, some of which are missing or come twice. */
function members(of: Record<string, fc.Arbitrary<string>>): fc.Arbitrary<string> {
  const each = Object.entries(of).map(([key, value]) =>
    fc
      .tuple(fc.integer({ min: 0, max: 100 }), value, value)
      .map(([n, one, other]) =>
        n === 0 ? '' : n === 1 ? `"${key}":${one},"${key}":${other}` : `"${key}":${one}`,
      ),
  )
  return fc.tuple(...each).map((parts) => `{${parts.filter((part) => part !== '').join()}}`)
}

const metadata = fc.oneof(
  { weight: 40, arbitrary: members({ uuid: text, tenant_uuid: text, purpose, admin: flag }) },
  { weight: 1, arbitrary: oddJson },
)
const data = fc.oneof(
  {
    weight: 40,
    arbitrary: members({ token: text, session_uuid: text, acl, utc_expires_at: expiry, metadata }),
  },
  { weight: 1, arbitrary: oddJson },
)
const right = fc.oneof(
  { weight: 40, arbitrary: members({ data }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('data', '__proto__', 'constructor'), data)
      .map(([key, d]) => `{"${key}":${d}}`),
  },
)
const body = fc.oneof(
  { weight: 14, arbitrary: right.map((t) => Buffer.from(t)) },
  {
    weight: 2,
    arbitrary: damaged(
      right.map((t) => Buffer.from(t)),
      2,
    ),
  },
  {
    weight: 1,
    arbitrary: fc.oneof(
      oddJson.map((t) => Buffer.from(t)),
      noise(60),
      right.map((t) => Buffer.from(`\ufeff${t}`)),
      fc.constant(Buffer.from('<html>')),
    ),
  },
)
const header = fc.oneof(
  fc.constantFrom(
    'Date: Mon, 30 Nov 2026 08:00:00 GMT',
    'Date: soon',
    'Date: ',
    'Date: 99999999999999999999',
    'Date: Thu, 01 Jan 1970 00:00:00 GMT',
    'Date: +275760-09-13T00:00:00Z',
  ),
  fc.constantFrom(
    'Content-Type: application/json',
    'Content-Type: text/html',
    'Content-Encoding: gzip',
    'Set-Cookie: a=b',
    'Location: /',
    '__proto__: x',
    'constructor: x',
    'X: \u0001',
    'Retry-After: -1',
  ),
  fc.constantFrom(
    'Connection: close',
    'Connection: keep-alive',
    'Keep-Alive: timeout=0',
    'Content-Length: 7',
    'Transfer-Encoding: gzip',
    'Upgrade: x',
    'Bad Header',
    ': x',
  ),
)
const answer: fc.Arbitrary<Answer> = fc.record({
  status: fc.oneof(
    { weight: 12, arbitrary: fc.constant(200) },
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        201,
        204,
        206,
        301,
        304,
        400,
        401,
        403,
        404,
        408,
        429,
        500,
        502,
        503,
        599,
        999,
      ),
    },
  ),
  headers: fc.array(header, { maxLength: 2 }),
  body,
  framing: fc.constantFrom('length', 'length', 'length', 'length', 'chunked', 'end', 'short', 'none'),
})

/** The bytes of an answer, and whether the connection ends after them. */
function bytesOf({ status, headers, body, framing }: Answer): { bytes: Buffer; ends: boolean } {
  const lines = [`HTTP/1.1 ${status} X`, ...headers]
  if (framing === 'length') lines.push(`Content-Length: ${body.length}`)
  else if (framing === 'short') lines.push(`Content-Length: ${body.length + 3}`)
  else if (framing === 'chunked') lines.push('Transfer-Encoding: chunked')
  else if (framing === 'end') lines.push('Connection: close')
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  const chunks =
    framing === 'chunked'
      ? [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]
      : [body]
  const sent = framing === 'chunked' && body.length === 0 ? [Buffer.from('0\r\n\r\n')] : chunks
  return { bytes: Buffer.concat([head, ...sent]), ends: framing !== 'length' && framing !== 'chunked' }
}

type Keys = Readonly<Record<string, unknown>>

function keysOf(value: unknown): Keys | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Keys) : null
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0
}

/** The body as PROTOCOL.md lets rights depend on it (C6.6), or null. */
function rightsIn(body: Buffer): { data: Keys; metadata: Keys; acl: readonly string[] } | null {
  let root: unknown
  try {
    root = JSON.parse(body.toString())
  } catch {
    return null
  }
  const data = keysOf(keysOf(root)?.['data'])
  const metadata = keysOf(data?.['metadata'])
  if (data === null || metadata === null) return null
  const { session_uuid, acl, utc_expires_at: expiry } = data
  if (![session_uuid, metadata['uuid'], metadata['tenant_uuid']].every(isText)) return null
  if (!Array.isArray(acl) || !acl.every((pattern) => typeof pattern === 'string')) return null
  // All times in the answers that are right are of that year.
  if (!isText(expiry) || !/^2099-(01-01|12-31)[T ]\d\d:\d\d:\d\d(\.\d+)?Z?$/.test(expiry)) return null
  return expiry.includes('24:') ? null : { data, metadata, acl: acl }
}

class WazoAuth implements Subject<Answer> {
  readonly outcomes = new Tally()
  private readonly server: Server
  private readonly client: AuthClient
  private readonly offset = new ClockOffset()
  private readonly metrics = new Counts()
  private next: { bytes: Buffer; ends: boolean } = { bytes: Buffer.alloc(0), ends: true }

  private constructor(server: Server) {
    this.server = server
    // Time stands still but for time-outs: whatever comes is the answer to the only try.
    const clock: Clock = {
      ...systemClock,
      monotonic: () => 0,
      after: (_ms, task) => systemClock.after(ANSWERED_MS_MAX, task),
    }
    this.client = new AuthClient({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/auth`,
      ...{ verifyCertificate: true, tryMs: ANSWERED_MS_MAX, connectionsMax: 1, tenantless: false },
      ...{ aclLimits: ACL_LIMITS, intern: (details) => details, clock, offset: this.offset },
      metrics: this.metrics,
      outage: { fails: () => undefined, recovers: () => undefined, remark: () => undefined },
    })
    server.on('connection', (socket) => {
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('data', () => {
        const { bytes, ends } = this.next
        if (ends) socket.end(bytes)
        else socket.write(bytes)
      })
    })
  }

  static async start(): Promise<WazoAuth> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new WazoAuth(server)
  }

  async take(answer: Answer): Promise<number> {
    this.next = bytesOf(answer)
    const verdict = await this.client.lookup({ token: TOKEN, since: 0, deadline: 0, wanted: true })
    judge(answer, verdict)
    for (const result of this.metrics.requests.splice(0)) this.outcomes.add(result)
    const text = answer.body.toString()
    const service = parseServiceToken(text, false)
    hold(
      service === null || (isText(service.tenantUuid) && Number.isFinite(service.expiresAt)),
      'a service token without tenant or expiry',
    )
    hold(Number.isFinite(this.offset.authTime(0, Date.now())), 'wazo-auth has no time')
    return 1
  }

  async close(): Promise<void> {
    await this.client.close()
    this.server.close()
  }
}

function judge({ status, headers, body, framing }: Answer, verdict: Verdict): void {
  const rights = rightsIn(body)
  const text = () => `${JSON.stringify(verdict)} for status ${status} and ${body.toString()}`
  if (verdict.kind === 'invalid') hold(status === 403 || status === 404, text)
  if (verdict.kind === 'oversized') hold(status === 200 && rights !== null && isLarge(rights.acl), text)
  if (verdict.kind === 'unavailable') {
    const plain =
      framing === 'length' &&
      headers.every((line) => /^(Date|Content-Type|Set-Cookie|Location|Retry-After):/.test(line))
    hold(!plain || status !== 200 || rights === null, text)
  }
  if (verdict.kind !== 'valid') return
  hold(status === 200 && rights !== null && framing !== 'short', text)
  const { data, metadata, acl } = rights
  const { details } = verdict
  const admin =
    metadata['admin'] === true || metadata['purpose'] === 'internal' || metadata['purpose'] === 'external_api'
  const wanted = [TOKEN, data['session_uuid'], metadata['uuid'], metadata['tenant_uuid'], admin, acl]
  const got = [
    details.token,
    details.sessionUuid,
    details.userUuid,
    details.tenantUuid,
    details.admin,
    details.acl,
  ]
  hold(JSON.stringify(got) === JSON.stringify(wanted) && !isLarge(acl), text)
  hold(new Date(details.expiresAt).getUTCFullYear() === 2099, text)
}

function isLarge(acl: readonly string[]): boolean {
  return (
    acl.length > ACL_LIMITS.patternsMax ||
    acl.some((pattern) => Buffer.byteLength(pattern) > ACL_LIMITS.patternBytesMax)
  )
}

export const auth: Area<Answer> = {
  name: 'auth',
  unit: 'replies of wazo-auth',
  total: 50_000,
  inputs: answer,
  open: () => WazoAuth.start(),
}
