import { expect } from 'chai'
import { clientFrame } from '../support/frames.js'
import { randomUUID } from 'node:crypto'
import { AUTH_DEADLINE_MS } from './support/environment.js'
import { wazoEvent, type BusMessage } from './support/bus.js'
import { useTarget } from './support/target.js'
import { sessionDeleted } from './support/events.js'

/** Long enough for events to pass while wazo-auth keeps a verdict back. */
const VERDICT_DELAY_MS = 400
const VERSIONS = [1, 2] as const

describe('contract 3: control messages', () => {
  const target = useTarget()

  for (const version of VERSIONS) {
    it(`C3.1 C3.2 C3.3 C3.5: version ${version} up to start is init, subscribe, start, each with three keys`, async () => {
      const session = await target().connect(await target().auth.mint(), { version })
      expect(await session.json()).to.deep.equal({ op: 'init', code: 0, data: { version } })
      session.send({ op: 'subscribe', data: { event_name: 'foo' } })
      expect(await session.json()).to.deep.equal({ op: 'subscribe', code: 0, data: null })
      session.send({ op: 'start' })
      expect(await session.json()).to.deep.equal({ op: 'start', code: 0, data: null })
    })

    it(`C3.3: version ${version} takes extra keys in an op as a newer client might send them`, async () => {
      const session = await target().connect(await target().auth.mint(), { version })
      await session.next()
      session.send({ id: 1, op: 'subscribe', data: { event_name: 'foo', filter: {} }, code: 0 })
      expect(await session.json()).to.deep.equal({ op: 'subscribe', code: 0, data: null })
      session.send({ op: 'start', data: { anything: 1 } })
      expect(await session.json()).to.deep.equal({ op: 'start', code: 0, data: null })
    })
  }

  it('C3.1: version 2 keeps the three keys after start', async () => {
    const reader = await target().read([])
    reader.session.send({ op: 'subscribe', data: { event_name: 'foo' } })
    reader.session.send({ op: 'start' })
    reader.session.send({ op: 'token', data: { token: reader.token.token } })
    for (const op of ['subscribe', 'start', 'token'])
      expect(await reader.session.json()).to.deep.equal({ op, code: 0, data: null })
  })

  it('C3.4 C3.5: version 1 is silent about subscribe and start after start, and the subscription counts', async () => {
    const reader = await target().read([], { version: 1 })
    reader.session.send({ op: 'subscribe', data: { event_name: 'late' } })
    reader.session.send({ op: 'start' })
    reader.session.send({ op: 'ping', data: { payload: 'done' } })
    expect(await reader.session.json()).to.deep.equal({ op: 'pong', code: 0, data: { payload: 'done' } })
    const event = wazoEvent({ name: 'late', tenant: reader.token.metadata.tenant_uuid, everyone: true })
    await target().bus.publish(event)
    expect(await reader.received()).to.deep.equal([event.body])
  })

  it('C3.4: version 2 answers a subscribe after start, and the subscription counts', async () => {
    const reader = await target().read([])
    reader.session.send({ op: 'subscribe', data: { event_name: 'late' } })
    expect(await reader.session.json()).to.deep.equal({ op: 'subscribe', code: 0, data: null })
    const event = wazoEvent({ name: 'late', tenant: reader.token.metadata.tenant_uuid, everyone: true })
    await target().bus.publish(event)
    expect(await reader.received()).to.deep.equal([event.body])
  })

  const PAYLOADS = [
    'null',
    'true',
    'false',
    '0',
    '-1.5',
    '1e3',
    '""',
    '"text"',
    '"\\u00e9😀"',
    '[]',
    '{}',
    '[1,[2,{"a":null}]]',
    '{"b":1,"a":{"payload":2}}',
  ]
  for (const version of VERSIONS) {
    for (const started of [false, true]) {
      it(`C3.6: version ${version} answers pings of every kind ${started ? 'after' : 'before'} start`, async () => {
        const session = await target().connect(await target().auth.mint(), { version })
        await session.next()
        if (started) {
          session.send({ op: 'start' })
          await session.next()
        }
        for (const payload of PAYLOADS) {
          session.send(`{"op":"ping","data":{"payload":${payload}}}`)
          expect(await session.json(), payload).to.deep.equal({
            op: 'pong',
            code: 0,
            data: { payload: JSON.parse(payload) as unknown },
          })
        }
      })
    }
  }

  for (const payload of ['12345678901234567890', '1.0', '{"z":1,"a":1.50}', '-0', '1E2']) {
    it(`C3.6: the payload ${payload} of a ping comes back in the same spelling`, async () => {
      const session = await target().connect(await target().auth.mint())
      await session.next()
      session.send(`{"data": {"payload": ${payload} }, "op": "ping"}`)
      expect(await session.next())
        .to.match(/^\{\s*"op":\s*"pong"/)
        .and.include(payload)
    })
  }

  it('C3.21: ops in one packet are answered in order', async () => {
    const session = await target().connect(await target().auth.mint())
    await session.next()
    const ops = [
      '{"op":"ping","data":{"payload":1}}',
      '{"op":"subscribe","data":{"event_name":"a"}}',
      '{"op":"ping","data":{"payload":2}}',
      '{"op":"start"}',
      '{"op":"ping","data":{"payload":3}}',
    ]
    session.write(Buffer.concat(ops.map((text) => clientFrame(text))))
    const replies: unknown[] = []
    for (let i = 0; i < ops.length; i++) replies.push(await session.json())
    expect(replies).to.deep.equal([
      { op: 'pong', code: 0, data: { payload: 1 } },
      { op: 'subscribe', code: 0, data: null },
      { op: 'pong', code: 0, data: { payload: 2 } },
      { op: 'start', code: 0, data: null },
      { op: 'pong', code: 0, data: { payload: 3 } },
    ])
  })

  for (const version of VERSIONS) {
    it(`C3.21: nothing overtakes a token op of version ${version} that waits for wazo-auth`, async () => {
      const session = await target().connect(await target().auth.mint(), { version })
      await session.next()
      const { token } = await target().auth.mint()
      await target().auth.set('slow', VERDICT_DELAY_MS)
      const ops = [{ op: 'token', data: { token } }, { op: 'ping', data: { payload: 1 } }, { op: 'start' }]
      session.write(Buffer.concat(ops.map((op) => clientFrame(JSON.stringify(op)))))
      expect([await session.json(), await session.json(), await session.json()]).to.deep.equal([
        { op: 'token', code: 0, data: null },
        { op: 'pong', code: 0, data: { payload: 1 } },
        { op: 'start', code: 0, data: null },
      ])
    })

    it(`C3.21: a fault behind a waiting token op of version ${version} ends the session only after it`, async () => {
      const session = await target().connect(await target().auth.mint(), { version })
      await session.next()
      const { token } = await target().auth.mint()
      await target().auth.set('slow', VERDICT_DELAY_MS)
      session.send({ op: 'token', data: { token } })
      session.send({ op: 'nonsense' })
      const { code, unread } = await session.end()
      expect({ code, unread: unread.map((text) => JSON.parse(text) as unknown) }).to.deep.equal({
        code: 4004,
        unread: [{ op: 'token', code: 0, data: null }],
      })
    })
  }
})

describe('contract 3: renewal of the token', () => {
  const target = useTarget()

  for (const version of VERSIONS) {
    it(`C3.8: version ${version} gives a started session the user, tenant and rights of the new token at once`, async () => {
      const first = await target().auth.mint({ tenant: randomUUID(), acl: ['websocketd', 'events.first'] })
      const second = await target().auth.mint({ tenant: randomUUID(), acl: ['websocketd', 'events.second'] })
      const reader = await target().read(['foo'], { details: first, version })
      const forToken = ({ metadata }: typeof first, acl: string) =>
        wazoEvent({ name: 'foo', tenant: metadata.tenant_uuid, users: [metadata.uuid], acl })

      const before = [forToken(second, 'events.second'), forToken(first, 'events.first')]
      await target().bus.publish(...before)
      expect(await reader.received()).to.deep.equal([before[1]!.body])

      reader.session.send({ op: 'token', data: { token: second.token } })
      reader.session.send({ op: 'ping', data: { payload: 'renewed' } })
      if (version === 2)
        expect(await reader.session.json()).to.deep.equal({ op: 'token', code: 0, data: null })
      expect(await reader.session.json()).to.have.property('op', 'pong')

      const after = [
        forToken(first, 'events.first'),
        forToken(second, 'events.first'),
        forToken(second, 'events.second'),
      ]
      await target().bus.publish(...after)
      expect(await reader.received(second.metadata.tenant_uuid)).to.deep.equal([after[2]!.body])
    })
  }

  it('C3.8: version 1 answers a token op before start', async () => {
    const session = await target().connect(await target().auth.mint(), { version: 1 })
    await session.next()
    session.send({ op: 'token', data: { token: (await target().auth.mint()).token } })
    expect(await session.json()).to.deep.equal({ op: 'token', code: 0, data: null })
  })

  it('C3.8: a renewed session outlives its old token', async function () {
    this.timeout(10_000)
    const reader = await target().read(['foo'], { expiresInMs: 2500 })
    const { token } = await target().auth.mint({ tenant: reader.token.metadata.tenant_uuid })
    reader.session.send({ op: 'token', data: { token } })
    expect(await reader.session.json()).to.have.property('op', 'token')
    const ended = await Promise.race([
      reader.session.ended,
      new Promise((resolve) => setTimeout(resolve, 4700)), // past the old token's end and its grace
    ])
    expect(ended).to.equal(undefined)
    expect(await reader.received()).to.deep.equal([])
  })

  it('C3.8: the deletion of an old token no longer ends a renewed session, that of the new one does', async () => {
    const reader = await target().read([])
    const renewed = await target().auth.mint({ tenant: reader.token.metadata.tenant_uuid })
    reader.session.send({ op: 'token', data: { token: renewed.token } })
    expect(await reader.session.json()).to.have.property('op', 'token')
    await target().bus.publish(sessionDeleted(reader.token))
    expect(await reader.received()).to.deep.equal([])
    await target().bus.publish(sessionDeleted(renewed))
    expect(await reader.session.end()).to.include({ code: 4003 })
  })

  it('C3.9: while a new token is being checked events arrive by the rights of the old one', async () => {
    const tenant = randomUUID()
    const reader = await target().read(['foo'], { tenant, acl: ['websocketd', 'events.first'] })
    const { token } = await target().auth.mint({ tenant, acl: ['websocketd', 'events.second'] })
    await target().auth.set('slow', VERDICT_DELAY_MS)
    reader.session.send({ op: 'token', data: { token } })
    const events = ['events.second', 'events.first'].map((acl) =>
      wazoEvent({ name: 'foo', tenant, everyone: true, acl }),
    )
    await target().bus.publish(...events)
    expect(await reader.event()).to.equal(events[1]!.body)
    expect(await reader.session.json()).to.have.property('op', 'token')
  })

  it('C3.10: a session whose old token is deleted meanwhile stays, and misses nothing', async () => {
    const reader = await target().read(['foo'])
    const tenant = reader.token.metadata.tenant_uuid
    const { token } = await target().auth.mint({ tenant })
    await target().auth.set('slow', VERDICT_DELAY_MS)
    reader.session.send({ op: 'token', data: { token } })
    await target().auth.delete(reader.token.token)
    const events = [1, 2].map(() => wazoEvent({ name: 'foo', tenant, everyone: true }))
    await target().bus.publish(sessionDeleted(reader.token), ...events)
    const got: string[] = []
    while (got.length < 3) got.push(await reader.session.next())
    const bodies = events.map(({ body }) => `{"op":"event","code":0,"data":${body}}`)
    expect(got.filter((text) => text.includes('"op":"event"'))).to.deep.equal(bodies)
    expect(
      got.filter((text) => !text.includes('"op":"event"')).map((text) => JSON.parse(text) as unknown),
    ).to.deep.equal([{ op: 'token', code: 0, data: null }])
    expect(await reader.received()).to.deep.equal([])
  })

  it('C3.10: nor does it stay when the new token turns out bad', async () => {
    const reader = await target().read(['foo'])
    await target().auth.set('slow', VERDICT_DELAY_MS)
    reader.session.send({ op: 'token', data: { token: randomUUID() } })
    await target().bus.publish(sessionDeleted(reader.token))
    const { code } = await reader.session.end()
    expect(code).to.be.oneOf([4002, 4003])
  })

  it('C3.11: no verdict within the deadline is 1013', async function () {
    this.timeout(AUTH_DEADLINE_MS + 5000)
    const reader = await target().read([])
    await target().auth.set('down')
    reader.session.send({ op: 'token', data: { token: (await target().auth.mint()).token } })
    expect(await reader.session.end(AUTH_DEADLINE_MS)).to.include({ code: 1013, reason: 'try again later' })
  })
})

describe('contract 3: events', () => {
  const target = useTarget()

  /** Bodies that any re-serialisation would change. */
  const BODIES: readonly string[] = [
    '{"name":"foo","data":12345678901234567890}',
    '{"name":"foo","data":1.0}',
    '{"name":"foo","data":[1E2,-0,0.10,1e-7,100000000000000000000000]}',
    ' \t\r\n{ "name" :\t"foo" ,\r\n "data":{ } }\n\n',
    '{"z":1,"name":"foo","a":2,"10":3,"9":4}',
    '{"name":"foo","data":"\\u00e9\\/\\ud83d\\ude00\\u2028"}',
    '{"name":"foo","data":"é😀\u2028\u007f"}',
    '{"name":"foo","data":"\\ud800"}',
    '{"name":"foo","data":1,"data":2}',
    '{"name":"foo","__proto__":{"a":1},"constructor":null}',
    '{"name":"foo","data":"{\\"op\\":\\"start\\"}"}',
  ]
  for (const version of VERSIONS) {
    BODIES.forEach((body, at) => {
      it(`C3.12 C3.13 C3.14: body ${at + 1} arrives byte for byte in version ${version}`, async () => {
        const reader = await target().read(['foo'], { version })
        const tenant = reader.token.metadata.tenant_uuid
        const { headers } = wazoEvent({ name: 'foo', tenant, everyone: true })
        await target().bus.publish({ headers, body })
        const expected = version === 1 ? body : `{"op":"event","code":0,"data":${body}}`
        expect(await reader.session.next()).to.equal(expected)
      })
    })
  }

  it('C3.15: events before start are not kept', async () => {
    const token = await target().auth.mint()
    const session = await target().connect(token)
    const witness = await target().read(['foo'], { tenant: token.metadata.tenant_uuid })
    await session.next()
    session.send({ op: 'subscribe', data: { event_name: 'foo' } })
    await session.next()
    const [early, late] = [1, 2].map(() =>
      wazoEvent({ name: 'foo', tenant: token.metadata.tenant_uuid, everyone: true }),
    )
    await target().bus.publish(early!)
    expect(await witness.event()).to.equal(early!.body)
    expect(await witness.received()).to.deep.equal([])
    session.send({ op: 'start' })
    expect(await session.json()).to.have.property('op', 'start')
    await target().bus.publish(late!)
    expect(await session.next()).to.equal(`{"op":"event","code":0,"data":${late!.body}}`)
  })

  for (let round = 1; round <= 5; round++) {
    it(`C3.16: an event right after start arrives in a tenant never seen before, round ${round}`, async () => {
      const tenant = randomUUID()
      const token = await target().auth.mint({ tenant })
      const session = await target().connect(token)
      await session.next()
      session.write(
        Buffer.concat(
          ['{"op":"subscribe","data":{"event_name":"foo"}}', '{"op":"start"}'].map((text) =>
            clientFrame(text),
          ),
        ),
      )
      await session.next()
      await session.next()
      const event = wazoEvent({ name: 'foo', tenant, users: [token.metadata.uuid] })
      await target().bus.publish(event)
      expect(await session.next()).to.equal(`{"op":"event","code":0,"data":${event.body}}`)
    })
  }

  it('C3.16: an event right after the reply to a later subscribe arrives', async () => {
    const reader = await target().read([])
    reader.session.send({ op: 'subscribe', data: { event_name: 'late' } })
    await reader.session.next()
    const event = wazoEvent({ name: 'late', tenant: reader.token.metadata.tenant_uuid, everyone: true })
    await target().bus.publish(event)
    expect(await reader.event()).to.equal(event.body)
  })

  for (const names of [
    ['foo', '*'],
    ['*', 'foo'],
    ['foo', 'foo'],
    ['*', '*'],
  ]) {
    it(`C3.17: a session subscribed to ${names.join(' and ')} gets foo once`, async () => {
      const reader = await target().read(names)
      const event = wazoEvent({ name: 'foo', tenant: reader.token.metadata.tenant_uuid, everyone: true })
      await target().bus.publish(event)
      expect(await reader.received()).to.deep.equal([event.body])
    })
  }

  it('C3.18: 300 events of several names and exchanges arrive in order', async function () {
    this.timeout(15_000)
    const tenant = randomUUID()
    const [named, wild] = [
      await target().read(['a', 'b', 'c'], { tenant }),
      await target().read(['*'], { tenant }),
    ]
    const events = Array.from({ length: 300 }, (_, i): BusMessage & { body: string } => {
      const event = wazoEvent({ name: 'abc'[i % 3]!, tenant, everyone: true, data: i })
      return i % 5 === 0 ? { ...event, exchange: 'xivo', routingKey: 'some.key' } : event
    })
    await target().bus.publish(...events)
    const bodies = events.map(({ body }) => body)
    expect(await named.received()).to.deep.equal(bodies)
    expect(await wild.received()).to.deep.equal(bodies)
  })

  const NAMES = [
    '*',
    '__proto__',
    'constructor',
    'hasOwnProperty',
    'toString',
    'a.b',
    'Foo',
    'ünïcode',
    '#',
    'x'.repeat(200),
  ]
  for (const name of NAMES) {
    it(`C3.7 C4.1: an event named ${name.slice(0, 20)} reaches who asked for it, and for everything`, async () => {
      const tenant = randomUUID()
      const readers = [await target().read([name], { tenant }), await target().read(['*'], { tenant })]
      const other = await target().read(['other', 'foo'], { tenant })
      const event = wazoEvent({ name, tenant, everyone: true })
      await target().bus.publish(event)
      for (const reader of readers) expect(await reader.received()).to.deep.equal([event.body])
      expect(await other.received()).to.deep.equal([])
    })
  }

  it('C3.19: an auth_ event needs the same rights as any other', async () => {
    const tenant = randomUUID()
    const acl = 'events.auth.tenants.created'
    const allowed = await target().read(['*'], { tenant, acl: ['websocketd', acl] })
    const denied = await target().read(['*'], { tenant, acl: ['websocketd', 'auth.#'] })
    const event = {
      ...wazoEvent({ name: 'auth_tenant_added', tenant, everyone: true, acl }),
      exchange: 'xivo',
      routingKey: 'auth.tenants.created',
    }
    await target().bus.publish(event)
    expect(await allowed.received()).to.deep.equal([event.body])
    expect(await denied.received()).to.deep.equal([])
  })

  it('C3.20: auth_session_deleted arrives first where rights allow, and nothing after it', async () => {
    const reader = await target().read(['*'])
    const deleted = sessionDeleted(reader.token)
    const tenant = reader.token.metadata.tenant_uuid
    await target().bus.publish(deleted, wazoEvent({ name: 'foo', tenant, everyone: true }))
    const { code, unread } = await reader.session.end()
    expect({ code, unread }).to.deep.equal({
      code: 4003,
      unread: [`{"op":"event","code":0,"data":${deleted.body}}`],
    })
  })

  it('C3.20: without the right to see it a session is closed all the same', async () => {
    const reader = await target().read(['*'], { acl: ['websocketd', 'events.calls.me'] })
    await target().bus.publish(sessionDeleted(reader.token))
    const { code, unread } = await reader.session.end()
    expect({ code, unread }).to.deep.equal({ code: 4003, unread: [] })
  })

  it('C3.20: a session that has not started is closed too', async () => {
    const token = await target().auth.mint()
    const session = await target().connect(token)
    await session.next()
    await target().bus.publish(sessionDeleted(token))
    expect(await session.end()).to.include({ code: 4003, reason: 'authentication expired' })
  })
})
