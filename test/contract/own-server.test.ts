/** Rules that need a server with other settings, or that end it: each group starts a whole stack of its own. */
import { expect } from 'chai'
import { clientFrame, PING_OPCODE, PONG_OPCODE } from '../support/frames.js'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { HEADERS_EXCHANGE, LEGACY_EXCHANGE, MISSING, wazoEvent, withHeaders } from './support/bus.js'
import { sessionDeleted } from './support/events.js'
import { UpgradeRefused } from './support/session.js'
import { useOwnStack } from './support/target.js'

const ELSEWHERE = '11111111-2222-4333-8444-555555555555'
const SHORT_LIFE_MS = 2500
/** For what takes a second or two by its settings, on a busy machine. */
const LONG_PATIENCE_MS = 15_000
/** Limits of the small server; `ROOM` is for all its connections. */
const ROOM = 12
const PER_TOKEN = 10
const SUBSCRIPTIONS = 100
const CONTROL_FRAMES = 30
const REFUSED_TOKENS = 5

describe('contract 1, 4, 6: a server for an old Wazo in Tokyo that restricts origins', () => {
  const own = useOwnStack({
    env: { TZ: 'Asia/Tokyo' },
    config: { websocket: { allowed_origins: ['https://phone.example.org'] }, bus: { access_scope: 'acl' } },
  })

  for (const origin of ['https://elsewhere.example.org', 'https://phone.example.org.evil.org', 'null']) {
    it(`C1.11: the Origin ${origin} is refused with 403`, async () => {
      const token = await own().target.auth.mint()
      const refusal = await own()
        .target.connect(token, { headers: { origin } })
        .catch((error: unknown) => error)
      expect(refusal).to.be.instanceOf(UpgradeRefused).with.property('status', 403)
    })
  }

  for (const origin of [undefined, 'https://phone.example.org']) {
    it(`C1.11: ${origin === undefined ? 'no Origin' : `the Origin ${origin}`} passes`, async () => {
      const token = await own().target.auth.mint()
      const session = await own().target.connect(token, { headers: origin === undefined ? {} : { origin } })
      expect(await session.json()).to.have.property('op', 'init')
    })
  }

  it('C4.17: tenant and user are not looked at', async () => {
    const reader = await own().target.read(['foo'], { acl: ['websocketd', 'events.foo'] })
    const keys = [{ tenant: randomUUID() }, { tenant: null }, { tenant: randomUUID(), users: [randomUUID()] }]
    const events = keys.map((key) => wazoEvent({ name: 'foo', acl: 'events.foo', ...key }))
    await own().target.bus.publish(...events)
    expect(await reader.received()).to.deep.equal(events.map(({ body }) => body))
  })

  it('C4.17: tokens need not have a tenant', async () => {
    await own().target.auth.set('no-tenant')
    const reader = await own().target.read(['foo'], { acl: ['websocketd', 'events.foo'] })
    const event = wazoEvent({ name: 'foo', acl: 'events.foo', tenant: randomUUID() })
    await own().target.bus.publish(event)
    expect(await reader.received()).to.deep.equal([event.body])
  })

  it('C4.17: name, origin and ACL still are', async () => {
    const reader = await own().target.read(['foo'], { acl: ['websocketd', 'events.foo'] })
    await own().target.bus.publish(
      wazoEvent({ name: 'bar', acl: 'events.foo' }),
      wazoEvent({ name: 'foo', acl: 'events.foo', origin: ELSEWHERE }),
      wazoEvent({ name: 'foo', acl: 'events.bar' }),
      wazoEvent({ name: 'foo', acl: MISSING }),
    )
    expect(await reader.received()).to.deep.equal([])
  })

  it('C6.4: an expiry is UTC, east of Greenwich too', async () => {
    const reader = await own().target.read([], { expiresInMs: SHORT_LIFE_MS })
    expect(await reader.received()).to.deep.equal([])
    expect(await reader.session.end(SHORT_LIFE_MS + 2500)).to.include({ code: 4003 })
  })
})

describe('contract 2, 4, 6: a server in Los Angeles without a uuid, without xivo, that re-checks each second', () => {
  const own = useOwnStack({
    env: { TZ: 'America/Los_Angeles' },
    config: {
      uuid: null,
      bus: { legacy_exchange: null },
      auth_check_strategy: 'static',
      auth_check_static_interval: 1,
      limits: { auth_try_seconds: 3, auth_total_seconds: 8 },
    },
  })

  it('C4.3: events of every origin, or none, arrive', async () => {
    const reader = await own().target.read(['foo'])
    const tenant = reader.token.metadata.tenant_uuid
    const event = wazoEvent({ name: 'foo', tenant, everyone: true, origin: ELSEWHERE })
    const { headers } = withHeaders(event, { origin_uuid: undefined })
    const without = { headers, body: JSON.stringify({ ...headers, data: 1 }) }
    await own().target.bus.publish(event, without)
    expect(await reader.received()).to.deep.equal([event.body, without.body])
  })

  it('C4.16: events on xivo do not arrive', async () => {
    const reader = await own().target.read(['foo'])
    const tenant = reader.token.metadata.tenant_uuid
    const events = [LEGACY_EXCHANGE, HEADERS_EXCHANGE].map((exchange) => ({
      ...wazoEvent({ name: 'foo', tenant, everyone: true }),
      exchange,
    }))
    await own().target.bus.publish(...events)
    expect(await reader.received()).to.deep.equal([events[1]!.body])
  })

  it('C6.4: an expiry is UTC, west of Greenwich too', async () => {
    const reader = await own().target.read([], { expiresInMs: SHORT_LIFE_MS })
    expect(await reader.session.end(SHORT_LIFE_MS + 2500)).to.include({ code: 4003 })
  })

  it('C2.6: a token that wazo-auth no longer knows is 4003 at the next check, without any event', async function () {
    this.timeout(LONG_PATIENCE_MS + 5000)
    const reader = await own().target.read([])
    const witness = await own().target.read([])
    await own().target.auth.delete(reader.token.token)
    const { code, reason } = await reader.session.end(LONG_PATIENCE_MS)
    expect({ code, reason }).to.deep.equal({ code: 4003, reason: 'authentication expired' })
    expect(await witness.received()).to.deep.equal([])
  })

  it('C6.7 C2.14 C2.18: while nobody answers at the address of wazo-auth newcomers have 1013 soon, and nobody else ends', async () => {
    const reader = await own().target.read([])
    const { token } = await own().target.auth.mint()
    await own().stack.stopAuth()
    const asked = performance.now()
    const newcomer = await own().target.open({ query: `token=${token}` })
    const { code, reason } = await newcomer.end()
    const took = performance.now() - asked
    const received = await reader.received()
    reader.session.close()
    await own().stack.startAuth()
    expect({ code, reason, received }).to.deep.equal({ code: 1013, reason: 'try again later', received: [] })
    // Far below the deadline for a slow one, 8 s; a busy machine takes its part.
    expect(took).to.be.within(1_000, 4_000)
  })

  it('C6.8: one bad token in a loop is one question for each worker', async () => {
    const token = randomUUID()
    for (let i = 0; i < 20; i++) {
      const session = await own().target.open({ query: `token=${token}` })
      expect(await session.end()).to.include({ code: 4002 })
    }
    expect((await own().target.auth.requests()).byToken[token]).to.be.within(1, 2)
  })

  it('C2.6 C2.18: a check that wazo-auth does not answer ends nobody', async () => {
    const reader = await own().target.read([])
    await own().target.auth.set('500')
    const before = (await own().target.auth.requests()).lookups
    while ((await own().target.auth.requests()).lookups < before + 2) await sleep(100)
    expect(await reader.received()).to.deep.equal([])
  })
})

describe('contract 1, 2, 4: a server that is not ready, then is, then loses the bus', () => {
  const own = useOwnStack({
    authMode: 'down',
    awaitReady: false,
    config: { bus: { lost_grace: 0.5, silence_grace: 1 } },
  })

  before(async function () {
    this.timeout(60_000)
    await own().stack.listening()
  })

  it('C1.14: no token is 4001 all the same', async () => {
    const session = await own().target.open()
    expect(await session.end()).to.include({ code: 4001, reason: 'no token' })
  })

  it('C1.15: a token is 1013, and wazo-auth is not asked about it', async () => {
    const { token } = await own().target.auth.mint()
    const session = await own().target.open({ query: `token=${token}` })
    expect(await session.end()).to.include({ code: 1013, reason: 'try again later' })
    expect((await own().target.auth.requests()).byToken).to.not.have.property(token)
  })

  it('C4.20: it becomes ready when wazo-auth tells the master tenant', async function () {
    this.timeout(60_000)
    const token = await own().target.auth.mint()
    expect(await own().stack.readiness()).to.equal(503)
    await own().target.auth.reset()
    await own().stack.ready()
    const session = await own().target.connect(token)
    expect(await session.json()).to.have.property('op', 'init')
  })

  it('C2.12: sessions end with 1011 when nothing is heard from the bus any more, and new ones wait', async function () {
    this.timeout(2 * LONG_PATIENCE_MS)
    const reader = await own().target.read([])
    own().stack.ingest.kill('SIGKILL')
    const { code, reason } = await reader.session.end(LONG_PATIENCE_MS)
    expect({ code, reason }).to.deep.equal({ code: 1011, reason: 'bus connection lost' })
    // The worker of the next session may notice a moment later than that of the first.
    while ((await own().stack.readiness()) !== 503) await sleep(50)
    const next = await own().target.connect(await own().target.auth.mint())
    expect(await next.end()).to.include({ code: 1013, reason: 'try again later' })
  })
})

describe('contract 2: a small server that is shut down', () => {
  const own = useOwnStack({
    config: {
      process_workers: 1,
      drain: { rate: 1, timeout: 60 },
      websocket: { trusted_proxies: ['127.0.0.1'] },
      limits: {
        auth_refused_tokens_per_address_per_minute: REFUSED_TOKENS,
        connections_per_worker: ROOM,
        connections_per_token: PER_TOKEN,
        subscriptions_per_session: SUBSCRIPTIONS,
        control_frames_per_second: 1,
        control_frames_burst: CONTROL_FRAMES,
        send_buffer_soft_bytes: 65_536,
        send_buffer_soft_seconds: 0.5,
      },
    },
  })

  it('C2.10: more connections of one token than allowed are 1008', async () => {
    const token = await own().target.auth.mint()
    for (let i = 0; i < PER_TOKEN; i++)
      expect(await (await own().target.connect(token)).json()).to.have.property('op', 'init')
    const { code, reason } = await (await own().target.connect(token)).end()
    expect(code).to.equal(1008)
    expect(reason).to.match(/token/i)
  })

  it('C2.10: more subscriptions than allowed are 1008', async () => {
    const session = await own().target.connect(await own().target.auth.mint())
    await session.next()
    const subscribe = (_: unknown, i: number) =>
      clientFrame(JSON.stringify({ op: 'subscribe', data: { event_name: `name-${i}` } }))
    session.write(Buffer.concat(Array.from({ length: SUBSCRIPTIONS + 1 }, subscribe)))
    const { code, reason, unread } = await session.end()
    expect(code).to.equal(1008)
    expect(reason).to.match(/subscription/i)
    expect(unread).to.have.length(SUBSCRIPTIONS)
  })

  it('C2.10: more pings and pongs at once than allowed are 1008, as many as allowed are not', async () => {
    const token = await own().target.auth.mint()
    for (const [opcode, count] of [
      [PING_OPCODE, CONTROL_FRAMES],
      [PONG_OPCODE, CONTROL_FRAMES],
    ] as const) {
      const session = await own().target.connect(token)
      await session.next()
      const frame = clientFrame('', { opcode })
      session.write(Buffer.concat(Array<Buffer>(count).fill(frame)))
      session.write(clientFrame('{"op":"ping","data":{"payload":1}}'))
      expect(await session.json()).to.have.property('op', 'pong')
      session.write(Buffer.concat(Array<Buffer>(count).fill(frame)))
      const { code, reason } = await session.end()
      expect(code).to.equal(1008)
      expect(reason).to.match(/control frames/i)
    }
  })

  it('C6.9: an address that keeps failing is 1013 for unknown tokens, others are not, nor is the proxy', async () => {
    const known = await own().target.auth.mint()
    const from = (address: string, token: string) =>
      own().target.open({ query: `token=${token}`, headers: { 'x-forwarded-for': address } })
    expect(await (await from('192.0.2.1', known.token)).json()).to.have.property('op', 'init')
    const codes: number[] = []
    for (let i = 0; i <= REFUSED_TOKENS; i++)
      codes.push((await (await from('192.0.2.1', randomUUID())).end()).code)
    expect(codes).to.deep.equal([...Array<number>(REFUSED_TOKENS).fill(4002), 1013])
    const { token } = await own().target.auth.mint()
    const slowed = await (await from('192.0.2.1', token)).end()
    expect(slowed).to.include({ code: 1013, reason: 'try again later' })
    expect((await own().target.auth.requests()).byToken).to.not.have.property(token)
    for (const [address, accepted] of [
      ['192.0.2.1', known.token],
      ['192.0.2.2', token],
    ] as const)
      expect(await (await from(address, accepted)).json()).to.have.property('op', 'init')
    for (let i = 0; i <= REFUSED_TOKENS; i++) {
      const session = await own().target.open({ query: `token=${randomUUID()}` })
      expect(await session.end()).to.include({ code: 4002 })
    }
  })

  it('C2.15: a connection beyond the room of the server is 1013', async () => {
    const tokens = await Promise.all(Array.from({ length: ROOM }, () => own().target.auth.mint()))
    for (const token of tokens)
      expect(await (await own().target.connect(token)).json()).to.have.property('op', 'init')
    const session = await own().target.connect(await own().target.auth.mint())
    expect(await session.end()).to.include({ code: 1013, reason: 'try again later' })
  })

  it('C2.16: a client that does not read is 1013, and the others get everything', async function () {
    this.timeout(LONG_PATIENCE_MS)
    const tenant = randomUUID()
    const [slow, witness] = [
      await own().target.read(['foo'], { tenant }),
      await own().target.read(['foo'], { tenant }),
    ]
    slow.session.pause()
    const events = Array.from({ length: 24 }, () =>
      wazoEvent({ name: 'foo', tenant, everyone: true, data: 'x'.repeat(500_000) }),
    )
    await own().target.bus.publish(...events)
    expect(await witness.received()).to.have.length(events.length)
    await sleep(1000) // beyond the time that the send buffer may stay full
    slow.session.resume()
    const { code, reason, unread } = await slow.session.end()
    expect({ code, reason }).to.deep.equal({ code: 1013, reason: 'slow consumer' })
    expect(unread.length).to.be.below(events.length + 1)
  })

  it('C2.13 C2.9: SIGTERM ends sessions with 1012, a second one the rest with 1001, and the status is 0', async function () {
    this.timeout(2 * LONG_PATIENCE_MS)
    const { target, stack } = own()
    const readers = []
    for (let i = 0; i < 6; i++) readers.push(await target.read([]))
    const ends = readers.map(({ session }) => session.end(2 * LONG_PATIENCE_MS))
    stack.edge.kill('SIGTERM')
    const first = await Promise.race(ends)
    expect(first).to.include({ code: 1012, reason: 'service restart' })
    stack.edge.kill('SIGTERM')
    const codes = (await Promise.all(ends)).map(({ code, reason }) => `${code} ${reason}`)
    expect(new Set(codes)).to.deep.equal(new Set(['1012 service restart', '1001 going away']))
    expect(await stack.edge.exit).to.deep.equal({ code: 0, signal: null })
  })
})

describe('contract 3: a server that is replaced', function () {
  this.timeout(4 * LONG_PATIENCE_MS)
  const own = useOwnStack()

  it('C3.22 C7.10: the next session of a token drained with 1012 gets what it missed, or what follows the position it presents, by its rights and names of now', async () => {
    const { target, stack } = own()
    const tenant = randomUUID()
    const token = () => target.auth.mint({ tenant, acl: ['websocketd', 'events.#'] })
    const drained = [
      { version: 1, details: await token(), names: ['foo', 'bar'] },
      { version: 2, details: await token(), names: ['foo'] },
    ] as const
    const deleted = { version: 2, details: await token() } as const
    const gone = await target.read(['foo'], deleted)
    const first = await target.read(['foo'], { details: await token(), resume: '' })
    const positioned = { details: first.token, resume: (first.told.start as { id: string }).id }
    const readers = await Promise.all(drained.map((each) => target.read(each.names, each)))
    const event = (name: string, rest: object = { everyone: true }) =>
      wazoEvent({ name, tenant, data: randomUUID(), ...rest })
    const before = event('foo')
    await target.bus.publish(before)
    for (const reader of [...readers, gone, first])
      expect(await reader.received()).to.deep.equal([before.body])

    stack.edge.kill('SIGTERM')
    for (const { session } of [...readers, gone, first])
      expect(await session.end(LONG_PATIENCE_MS)).to.deep.include({ code: 1012, unread: [] })
    await stack.edge.exit
    await target.auth.delete(deleted.details.token)
    const missed = [event('foo'), event('bar'), event('foo', { users: [randomUUID()] }), event('foo')]
    await target.bus.publish(...missed, sessionDeleted(deleted.details))
    await stack.restartEdge()

    const refused = await target.connect(deleted.details)
    expect(await refused.end()).to.deep.include({ code: 4002, unread: [] })
    const bodies = (...at: number[]) => at.map((i) => missed[i]!.body)
    const newcomer = await target.read(['foo', 'bar'], { tenant })
    expect(await newcomer.received()).to.deep.equal([])
    const resumed = await target.read(['foo'], { details: positioned.details, resume: positioned.resume })
    expect(await resumed.received(), 'C7.10').to.deep.equal([before.body, ...bodies(0, 3)])
    const anew = await target.read(['foo'], { details: positioned.details, resume: '' })
    expect(anew.told.start).to.include({ resumed: false, why: 'none' })
    expect(await anew.received()).to.deep.equal([])
    for (const each of drained) {
      const back = await target.read(['foo', 'bar'], each)
      expect(await back.received(), `version ${each.version}`).to.deep.equal(bodies(0, 1, 3))
      const another = await target.read(['foo', 'bar'], each)
      expect(await another.received()).to.deep.equal([])
    }
  })
})
