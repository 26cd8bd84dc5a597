import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import fc from 'fast-check'
import { connect } from '../support/client.js'
import { event } from '../support/fakes/session.js'
import { clientFrame, textsOf } from '../support/frames.js'
import { Edge, type RawClient } from '../support/edge-socket.js'

const INIT = '{"op":"init","code":0,"data":{"version":2}}'
const op = (value: object) => clientFrame(JSON.stringify(value))
const pings = (count: number) =>
  Array.from({ length: count }, (_, payload) => op({ op: 'ping', data: { payload } }))
const pong = (payload: number) => `{"op":"pong","code":0,"data":{"payload":${payload}}}`
const replies = (client: RawClient) => textsOf(client.frames)

describe('frames on the wire', () => {
  let edge: Edge

  beforeEach(async () => {
    edge = await new Edge().listen()
  })

  afterEach(() => edge.stop())

  const opened = async () => {
    const client = edge.raw().upgrade()
    return client.until(() => client.text.includes(INIT))
  }

  for (const [what, bytes, code] of [
    ['an unmasked frame', clientFrame('{}', { masked: false }), 1002],
    ['a reserved bit', clientFrame('{}', { rsv: 4 }), 1002],
    ['a compressed frame', clientFrame('{}', { rsv: 2 }), 1002],
    ['a reserved opcode', clientFrame('{}', { opcode: 3 }), 1002],
    ['a reserved control opcode', clientFrame('', { opcode: 11 }), 1002],
    ['a continuation of nothing', clientFrame('{}', { opcode: 0 }), 1002],
    ['a fragmented ping', clientFrame('', { opcode: 9, fin: false }), 1002],
    ['a ping of 126 bytes', clientFrame('x'.repeat(126), { opcode: 9 }), 1002],
    [
      'a new message within a fragmented one',
      Buffer.concat([clientFrame('{', { fin: false }), clientFrame('}')]),
      1002,
    ],
    ['a close frame of one byte', clientFrame('x', { opcode: 8 }), 1002],
    ['a close frame with an invalid code', clientFrame(Buffer.from([3, 0xed]), { opcode: 8 }), 1002],
    ['invalid UTF-8', clientFrame(Buffer.from([0xff, 0xfe])), 1007],
    ['invalid UTF-8 in a close reason', clientFrame(Buffer.from([3, 0xe8, 0xff]), { opcode: 8 }), 1007],
    ['a message above 64 KiB', clientFrame('x'.repeat(65_537)), 1009],
    ['a length of 2^63', Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]), 1009],
    ['a binary frame', clientFrame('{"op":"start"}', { opcode: 2 }), 4004],
    [
      'a message above 64 KiB in fragments',
      Buffer.concat([
        clientFrame('x'.repeat(40_000), { fin: false }),
        clientFrame('x'.repeat(40_000), { opcode: 0 }),
      ]),
      1009,
    ],
  ] as const)
    it(`close with ${code} for ${what}, and nothing else suffers`, async () => {
      const other = connect(edge.url, { token: 'good', version: 2 })
      await other.start('foo')
      const client = (await opened()).write(bytes)
      await client.until(() => client.closeCode !== undefined)
      expect(client.closeCode).to.equal(code)
      client.socket.destroy()
      expect(await other.ask('ping', { payload: 1 })).to.deep.include({ op: 'pong' })
      expect(edge.metrics.closedWith.at(-1)).to.equal(code)
    })

  it('accept a message of 64 KiB and one of sixteen fragments', async () => {
    const client = await opened()
    const large = `{"op":"ping","data":{"payload":"${'x'.repeat(65_536 - 35)}"}}`
    expect(large).to.have.length(65_536)
    client.write(clientFrame(large))
    const text = '{"op":"ping","data":{"payload":0}}'
    for (let i = 0; i < 16; i++)
      client.write(
        clientFrame(text.slice(i * 2, i === 15 ? undefined : i * 2 + 2), {
          opcode: i === 0 ? 1 : 0,
          fin: i === 15,
        }),
      )
    await client.until(() => client.text.endsWith(pong(0)))
    expect(replies(client)).to.have.length(3)
  })

  it('close a message of more than sixteen fragments', async () => {
    const client = await opened()
    client.write(clientFrame('{', { fin: false }))
    for (let i = 0; i < 16; i++) client.write(clientFrame(' ', { opcode: 0, fin: false }))
    await client.until(() => client.closeCode !== undefined)
    expect(client.closeCode).to.equal(1008)
  })

  it('are handled in order when many ops come in one packet', async () => {
    const client = await opened()
    client.write(
      Buffer.concat([
        op({ op: 'subscribe', data: { event_name: 'foo' } }),
        op({ op: 'start' }),
        ...pings(200),
      ]),
    )
    await client.until(() => client.text.endsWith(pong(199)))
    expect(replies(client)).to.deep.equal([
      INIT,
      '{"op":"subscribe","code":0,"data":null}',
      '{"op":"start","code":0,"data":null}',
      ...Array.from({ length: 200 }, (_, n) => pong(n)),
    ])
  })

  it('are handled when they come in the packet of the upgrade', async () => {
    edge.auth.waiting = true
    const client = edge.raw()
    client.socket.cork()
    client.upgrade().write(Buffer.concat(pings(300)))
    client.socket.uncork()
    await client.until(() => client.text.includes('101 Switching'))
    await delay(50)
    expect(client.frames).to.have.length(0)
    edge.auth.answer()
    await client.until(() => client.text.endsWith(pong(299)))
    expect(replies(client)).to.deep.equal([INIT, ...Array.from({ length: 300 }, (_, n) => pong(n))])
  })

  it('give the same replies however they are split into packets', async function () {
    this.timeout(20_000)
    const ops = Buffer.concat([...pings(5), op({ op: 'start' }), ...pings(5)])
    const expected = [
      INIT,
      ...[0, 1, 2, 3, 4].map(pong),
      '{"op":"start","code":0,"data":null}',
      ...[0, 1, 2, 3, 4].map(pong),
    ]
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 1, max: ops.length - 1 }), { maxLength: 6 }),
        async (cuts) => {
          const client = edge.raw().upgrade()
          client.socket.setNoDelay(true)
          const edges = [0, ...cuts.sort((a, b) => a - b), ops.length]
          for (let i = 1; i < edges.length; i++) {
            client.write(ops.subarray(edges[i - 1], edges[i]))
            await delay(1)
          }
          await client.until(() => replies(client).length === expected.length)
          expect(replies(client)).to.deep.equal(expected)
          client.socket.destroy()
        },
      ),
      { numRuns: 40 },
    )
  })

  it('wait, unread, while the client is too fast, and none is lost', async function () {
    this.timeout(15_000)
    await edge.stop()
    edge = await new Edge({ sessionLimits: { opsPerSecond: 200, opsBurst: 50 } }).listen()
    const client = await opened()
    const startedAt = performance.now()
    client.write(Buffer.concat(pings(500)))
    await client.until(() => client.text.endsWith(pong(499)), 10_000)
    const took = performance.now() - startedAt
    expect(took).to.be.within(2_000, 5_000)
    expect(replies(client)).to.deep.equal([INIT, ...Array.from({ length: 500 }, (_, n) => pong(n))])
    expect(client.ended).to.equal(false)
  })

  it('wait, unread and bounded, while a start waits for the bus', async function () {
    this.timeout(15_000)
    await edge.stop()
    edge = await new Edge({ sessionLimits: { opsPerSecond: 100_000, opsBurst: 100_000 } }).listen()
    edge.bus.waiting = true
    const client = await opened()
    const filler = 'x'.repeat(10_000)
    client.write(op({ op: 'start' }))
    let taken = 0
    for (let i = 0; i < 2_000; i++)
      client.socket.write(op({ op: 'ping', data: { payload: [i, filler] } }), () => (taken = i))
    await delay(500)
    // 20 MB are on their way; what is not read stays in the client's own buffers.
    expect(taken).to.be.lessThan(1_900)
    edge.bus.goLive()
    client.write(op({ op: 'ping', data: { payload: 'end' } }))
    await client.until(() => client.endsWith('{"payload":"end"}}'), 10_000)
    expect(replies(client)).to.have.length(2_003)
  })

  it('carry events byte for byte, to both versions', async () => {
    const [v1, v2] = [
      connect(edge.url, { token: 'good', version: 1 }),
      connect(edge.url, { token: 'good', version: 2 }),
    ]
    await v1.start('*')
    await v2.start('*')
    const bodies = ['{"n": 12345678901234567890,  "x":1.0}', `{"é":"${'y'.repeat(70_000)}"}`, '{}']
    bodies.forEach((text, at) => edge.registry.route(event(11 + at, { text })))
    for (const text of bodies) {
      expect(await v1.nextText()).to.equal(text)
      expect(await v2.nextText()).to.equal(`{"op":"event","code":0,"data":${text}}`)
    }
  })

  it('of a closing session are not mixed with events', async () => {
    const client = connect(edge.url, { token: 'good', version: 1 })
    await client.start('*')
    edge.registry.route(event(11))
    edge.host.revoke('session-of-good', 0, 11)
    edge.registry.route(event(12))
    expect(await client.nextText()).to.equal('{"n":11}')
    expect(await client.closed).to.deep.equal({ code: 4003, reason: 'authentication expired' })
    expect(client.waiting).to.equal(0)
  })
})
