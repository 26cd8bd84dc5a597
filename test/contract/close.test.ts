import { expect } from 'chai'
import { clientFrame } from '../support/frames.js'
import { setTimeout as sleep } from 'node:timers/promises'
import { AUTH_DEADLINE_MS } from './support/environment.js'
import { wazoEvent } from './support/bus.js'
import { sessionDeleted } from './support/events.js'
import { useTarget } from './support/target.js'

/** Lifetime of tokens whose expiry is waited for. */
const SHORT_LIFE_MS = 2500
/** No session outlives its token by more. */
const EXPIRY_GRACE_MS = 2000
const REASON_BYTES_MAX = 123

describe('contract 2: close codes', () => {
  const target = useTarget()

  for (const query of ['', 'token=', 'token', 'version=2', 'token=&version=1']) {
    it(`C2.1: "?${query}" is 4001`, async () => {
      const session = await target().open({ query })
      expect(await session.end()).to.include({ code: 4001, reason: 'no token' })
    })
  }

  const BAD_TOKENS: readonly [what: string, token: () => Promise<string>][] = [
    ['an unknown token', () => Promise.resolve('2a7ac2f2-6ee5-46b8-8b1c-0d1ff4b9bd0d')],
    [
      'a token without the websocketd ACL',
      async () => (await target().auth.mint({ acl: ['events.#'] })).token,
    ],
    [
      'a token whose ACL denies websocketd',
      async () => (await target().auth.mint({ acl: ['#', '!websocketd'] })).token,
    ],
    [
      'a deleted token',
      async () => {
        const { token } = await target().auth.mint()
        await target().auth.delete(token)
        return token
      },
    ],
    ['an expired token', async () => (await target().auth.mint({ expiresInMs: -1000 })).token],
  ]
  for (const [what, mint] of BAD_TOKENS) {
    it(`C2.2: ${what} is 4002`, async () => {
      const session = await target().open({ query: `token=${await mint()}&version=2` })
      expect(await session.end()).to.include({ code: 4002, reason: 'authentication failed' })
    })

    for (const version of [1, 2] as const) {
      it(`C2.3: ${what} in op token of version ${version} is 4002`, async () => {
        const reader = await target().read([], { version })
        reader.session.send({ op: 'token', data: { token: await mint() } })
        expect(await reader.session.end()).to.include({ code: 4002, reason: 'authentication failed' })
      })
    }
  }

  it('C2.4: a session ends with 4003 when its token expires, and not before', async () => {
    const minted = performance.now()
    const reader = await target().read(['foo'], { expiresInMs: SHORT_LIFE_MS })
    const { code, reason } = await reader.session.end(SHORT_LIFE_MS + EXPIRY_GRACE_MS + 500)
    const lived = performance.now() - minted
    expect({ code, reason }).to.deep.equal({ code: 4003, reason: 'authentication expired' })
    expect(lived).to.be.within(SHORT_LIFE_MS - 1000, SHORT_LIFE_MS + EXPIRY_GRACE_MS)
  })

  it('C2.5: a session ends with 4003 when its token is deleted', async () => {
    const reader = await target().read([])
    await target().auth.delete(reader.token.token)
    await target().bus.publish(sessionDeleted(reader.token))
    expect(await reader.session.end()).to.include({ code: 4003, reason: 'authentication expired' })
  })

  for (const text of FAULTY_MESSAGES()) {
    for (const version of [1, 2] as const) {
      it(`C2.7: ${text} is 4004 in version ${version}`, async () => {
        const session = await target().connect(await target().auth.mint(), { version })
        await session.next()
        session.send(text)
        const { code, reason, unread } = await session.end()
        expect(code).to.equal(4004)
        expect(reason).to.not.equal('')
        expect(unread).to.deep.equal([])
      })
    }
  }

  it('C2.7: a binary frame is 4004, even when it holds a good op', async () => {
    const session = await target().connect(await target().auth.mint())
    await session.next()
    session.sendBinary(Buffer.from('{"op":"start"}'))
    expect(await session.end()).to.include({ code: 4004 })
  })

  it('C2.7: a fault after start is 4004 too', async () => {
    const reader = await target().read([], { version: 1 })
    reader.session.send('{"op":"stop"}')
    expect(await reader.session.end()).to.include({ code: 4004 })
  })

  for (const version of ['0', '3', 'x', '1.5', '01', '-1', '2a', '%20', '1e0', 'null']) {
    it(`C2.8: version=${version} is 4004`, async () => {
      const { token } = await target().auth.mint()
      const session = await target().open({ query: `token=${token}&version=${version}` })
      const { code, reason } = await session.end()
      expect(code).to.equal(4004)
      expect(reason).to.not.equal('')
    })
  }

  it('C2.10: an event name of more than 256 bytes is 1008', async () => {
    const session = await target().connect(await target().auth.mint())
    await session.next()
    session.send({ op: 'subscribe', data: { event_name: 'x'.repeat(257) } })
    const { code, reason } = await session.end()
    expect(code).to.equal(1008)
    expect(reason).to.match(/event.name/i)
  })

  it('C2.10: a token with more than 5,000 ACL patterns is 1008', async () => {
    const acl = ['#', ...Array.from({ length: 5000 }, (_, i) => `events.${i}`)]
    const session = await target().connect(await target().auth.mint({ acl }))
    const { code, reason } = await session.end()
    expect(code).to.equal(1008)
    expect(reason).to.match(/acl/i)
  })

  it('C2.11: a frame above 64 KiB is 1009', async () => {
    const session = await target().connect(await target().auth.mint())
    await session.next()
    session.send({ op: 'ping', data: { payload: 'x'.repeat(64 * 1024) } })
    expect(await session.end()).to.include({ code: 1009 })
  })

  it('C2.11: a message in more than 16 fragments is 1008 or 1009, one in 16 is taken', async () => {
    const session = await target().connect(await target().auth.mint())
    await session.next()
    const fragments = (text: string, count: number) =>
      Array.from({ length: count }, (_, i) => {
        const last = i === count - 1
        return clientFrame(last ? text.slice(i) : text.charAt(i), { opcode: i === 0 ? 1 : 0, fin: last })
      })
    session.write(Buffer.concat(fragments('{"op":"ping","data":{"payload":16}}', 16)))
    expect(await session.json()).to.deep.equal({ op: 'pong', code: 0, data: { payload: 16 } })
    session.write(Buffer.concat(fragments('{"op":"ping","data":{"payload":17}}', 17)))
    const { code, unread } = await session.end()
    expect(code).to.be.oneOf([1008, 1009])
    expect(unread).to.deep.equal([])
  })

  it('C2.11: a frame of nearly 64 KiB is taken', async () => {
    const payload = 'x'.repeat(64 * 1024 - 100)
    const session = await target().connect(await target().auth.mint())
    await session.next()
    session.send({ op: 'ping', data: { payload } })
    expect(await session.json()).to.deep.equal({ op: 'pong', code: 0, data: { payload } })
  })

  for (const mode of ['down', 'slow', '500', 'garbage'] as const) {
    it(`C2.14 C2.18: wazo-auth "${mode}" at connect is 1013`, async function () {
      this.timeout(AUTH_DEADLINE_MS + 5000)
      const token = await target().auth.mint()
      await target().auth.set(mode, AUTH_DEADLINE_MS * 2)
      const session = await target().connect(token)
      const { code, reason, unread } = await session.end(AUTH_DEADLINE_MS)
      expect({ code, reason, unread }).to.deep.equal({ code: 1013, reason: 'try again later', unread: [] })
    })
  }

  it('C2.17: 350 ops at once are all answered, in order', async function () {
    this.timeout(15_000)
    const count = 350
    const session = await target().connect(await target().auth.mint())
    await session.next()
    const pings = Array.from({ length: count }, (_, i) =>
      clientFrame(`{"op":"ping","data":{"payload":${i}}}`),
    )
    session.write(Buffer.concat(pings))
    for (let i = 0; i < count; i++) {
      expect(await session.json()).to.deep.equal({ op: 'pong', code: 0, data: { payload: i } })
    }
  })

  it('C2.18: wazo-auth being down does not touch running sessions', async () => {
    const reader = await target().read(['foo'])
    await target().auth.set('down')
    const tenant = reader.token.metadata.tenant_uuid
    const event = wazoEvent({ name: 'foo', tenant, everyone: true })
    await target().bus.publish(event)
    expect(await reader.received()).to.deep.equal([event.body])
  })

  it('C2.19: a token that expires while wazo-auth is down is 4003', async () => {
    const reader = await target().read([], { expiresInMs: SHORT_LIFE_MS })
    await target().auth.set('down')
    const { code, reason } = await reader.session.end(SHORT_LIFE_MS + EXPIRY_GRACE_MS + 500)
    expect({ code, reason }).to.deep.equal({ code: 4003, reason: 'authentication expired' })
  })

  for (const character of ['x', 'é', '€', '😀']) {
    it(`C2.20: a fault made of many "${character}" has a short and valid reason`, async () => {
      const session = await target().connect(await target().auth.mint())
      await session.next()
      session.send({ op: character.repeat(5000), data: { [character.repeat(200)]: 1 } })
      const { code, reason, reasonBytes } = await session.end()
      expect(code).to.equal(4004)
      expect(reasonBytes).to.be.at.most(REASON_BYTES_MAX)
      expect(reason).to.not.include('\ufffd')
    })
  }

  const MALFORMED: readonly [what: string, bytes: Buffer, code: number][] = [
    ['reserved bits', clientFrame('{}', { rsv: 7 }), 1002],
    ['an unknown opcode', clientFrame('{}', { opcode: 3 }), 1002],
    ['no mask', clientFrame('{}', { masked: false }), 1002],
    ['a continuation of nothing', clientFrame('{}', { opcode: 0 }), 1002],
    ['a ping above 125 bytes', clientFrame(Buffer.alloc(126), { opcode: 9 }), 1002],
    ['text that is not UTF-8', clientFrame(Buffer.from([0xff, 0xfe])), 1007],
  ]
  for (const [what, bytes, code] of MALFORMED) {
    it(`C2.21: a frame with ${what} is ${code} for its sender alone`, async () => {
      const witness = await target().read([])
      const session = await target().connect(await target().auth.mint())
      await session.next()
      session.write(bytes)
      expect(await session.end()).to.include({ code })
      expect(await witness.received()).to.deep.equal([])
    })
  }

  it('C2.21: a connection cut in the middle of a frame disturbs nobody', async () => {
    const witness = await target().read([])
    const session = await target().connect(await target().auth.mint())
    await session.next()
    session.write(clientFrame('{"op":"start"}').subarray(0, 5))
    await sleep(20) // lets the half frame leave before the connection goes
    session.close()
    expect(await witness.received()).to.deep.equal([])
  })
})

/** Messages that no server understands, as text. */
function FAULTY_MESSAGES(): string[] {
  return [
    'hello',
    '',
    '{',
    '{"op":"start"} x',
    '\ufeff{"op":"start"}',
    '[]',
    '[{"op":"start"}]',
    'null',
    '1',
    '"start"',
    'true',
    '{}',
    '{"data":{}}',
    '{"op":null}',
    '{"op":1}',
    '{"op":["start"]}',
    '{"op":""}',
    '{"op":"stop"}',
    '{"op":"START"}',
    '{"op":"init"}',
    '{"op":"event","data":{}}',
    '{"op":"__proto__"}',
    '{"op":"constructor"}',
    '{"Op":"start"}',
    '{"op":"subscribe"}',
    '{"op":"subscribe","data":null}',
    '{"op":"subscribe","data":"foo"}',
    '{"op":"subscribe","data":["foo"]}',
    '{"op":"subscribe","data":{}}',
    '{"op":"subscribe","data":{"event_name":null}}',
    '{"op":"subscribe","data":{"event_name":1}}',
    '{"op":"subscribe","data":{"event_name":["foo"]}}',
    '{"op":"subscribe","event_name":"foo"}',
    '{"op":"ping"}',
    '{"op":"ping","data":null}',
    '{"op":"ping","data":[]}',
    '{"op":"ping","data":"x"}',
    '{"op":"ping","data":{}}',
    '{"op":"token"}',
    '{"op":"token","data":{}}',
    '{"op":"token","data":"x"}',
    '{"op":"token","data":{"token":null}}',
    '{"op":"token","data":{"token":1}}',
  ]
}
