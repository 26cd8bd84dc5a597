import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { deflateRawSync } from 'node:zlib'
import { expect } from 'chai'
import { WebSocket } from 'ws'
import { clientFrame, PONG_OPCODE, PING_OPCODE, textsOf } from '../support/frames.js'
import { waitFor } from '../support/wait.mjs'
import { Edge, SOCKET_LIMITS, type EdgeOptions, type RawClient } from '../support/edge-socket.js'

const CLOSE_OPCODE = 8
const INIT = '"op":"init"'
const { controlFramesBurst, closingBytes } = SOCKET_LIMITS

/** So many equal frames of a client, in one piece. */
const frames = (count: number, opcode: number, payload = ''): Buffer =>
  Buffer.concat(Array<Buffer>(count).fill(clientFrame(payload, { opcode })))

const ping = (payload: number) => JSON.stringify({ op: 'ping', data: { payload } })

describe('clients that flood', function () {
  this.timeout(20_000)
  const edges: Edge[] = []

  afterEach(async () => {
    for (const edge of edges.splice(0)) await edge.stop()
  })

  const listening = async (options: EdgeOptions = {}) => {
    const edge = await new Edge(options).listen()
    edges.push(edge)
    return edge
  }

  const opened = (edge: Edge): Promise<RawClient> => {
    const client = edge.raw().upgrade()
    return client.until(() => client.text.includes(INIT))
  }

  for (const [kind, opcode] of [
    ['pings', PING_OPCODE],
    ['pongs', PONG_OPCODE],
  ] as const) {
    it(`with ${kind} are left alone up to the burst, and closed with 1008 one above it`, async () => {
      const edge = await listening()
      const [within, above] = [await opened(edge), await opened(edge)]
      within.write(frames(controlFramesBurst, opcode))
      above.write(frames(controlFramesBurst + 1, opcode))
      await above.until(() => above.closeCode !== undefined)
      expect(above.closeCode).to.equal(1008)
      expect(above.text).to.include('too many control frames')
      expect(edge.floods).to.deep.equal(['control-frames'])
      expect(edge.metrics.closedWith).to.deep.equal([1008])
      within.write(clientFrame(ping(7)))
      await within.until(() => within.endsWith('"payload":7}}'))
    })

    it(`with ${kind} while wazo-auth is asked are closed as well`, async () => {
      const edge = await listening()
      edge.auth.waiting = true
      const client = edge.raw().upgrade()
      await client.until(() => client.text.includes('101'))
      client.write(frames(10_000, opcode))
      await client.until(() => client.closeCode !== undefined)
      expect(client.closeCode).to.equal(1008)
      edge.auth.answer()
      await client.until(() => client.ended)
      expect(edge.floods).to.deep.equal(['control-frames'])
    })
  }

  it('with control frames at the sustained rate are left alone', async () => {
    const edge = await listening({ limits: { controlFramesBurst: 20, controlFramesPerSecond: 50 } })
    const client = await opened(edge)
    for (let n = 0; n < 30; n++) {
      client.write(frames(2, PONG_OPCODE))
      await delay(50)
    }
    expect(edge.floods).to.deep.equal([])
    expect(client.ended).to.equal(false)
  })

  for (const [who, path, code] of [
    ['without a token', '/?version=2', 4001],
    ['with a token that is refused', '/?token=nobody&version=2', 4002],
  ] as const) {
    it(`after the close frame, ${who}, are cut long before the time for the closing handshake`, async () => {
      const edge = await listening()
      const client = edge.raw().upgrade(path)
      await client.until(() => client.closeCode !== undefined)
      expect(client.closeCode).to.equal(code)
      for (let sent = 0; sent <= 4 * closingBytes; sent += 64 * 1024)
        client.write(frames(1, 1, 'x'.repeat(60_000)))
      await client.until(() => client.ended, 2_000)
      expect(edge.floods).to.deep.equal(['after-close'])
    })
  }

  it('after the close frame are not parsed: 1,000 ops within the limit, then their close frame, end cleanly', async () => {
    const edge = await listening()
    const client = edge.raw().upgrade('/?version=2')
    await client.until(() => client.closeCode !== undefined)
    client.write(Buffer.concat([frames(1_000, 1, ping(1)), frames(1, CLOSE_OPCODE)]))
    await client.until(() => client.ended, 2_000)
    expect(edge.floods).to.deep.equal([])
  })

  it('after the close frame in the middle of a frame: the handshake still ends cleanly', async () => {
    const edge = await listening()
    const client = await opened(edge)
    const half = clientFrame('y'.repeat(1_000))
    client.write(half.subarray(0, 300))
    await delay(50)
    for (const member of edge.host.connections.all()) member.end({ code: 1011, reason: 'x', comeBack: true })
    await client.until(() => client.closeCode === 1011)
    client.write(Buffer.concat([half.subarray(300), frames(3, 1, ping(2)), frames(1, CLOSE_OPCODE)]))
    await client.until(() => client.ended, 2_000)
    expect(edge.floods).to.deep.equal([])
  })

  it('with ops are read in portions, and nobody is closed for it', async () => {
    const edge = await listening()
    const client = await opened(edge)
    client.write(frames(5_000, 1, ping(3)))
    await delay(500)
    expect(client.ended).to.equal(false)
    const pongs = textsOf(client.frames).filter((text) => text.includes('pong')).length
    expect(pongs).to.be.within(300, 400)
    expect(edge.floods).to.deep.equal([])
  })

  it('with single bytes are not read all the time, and every op arrives', async () => {
    const edge = await listening({ limits: { clientReadsPerSecond: 100 } })
    const client = await opened(edge)
    const bytes = clientFrame(ping(4))
    client.socket.setNoDelay(true)
    for (const byte of bytes) {
      client.write(Buffer.of(byte))
      await delay(1)
    }
    await client.until(() => client.endsWith('"payload":4}}'))
    expect(edge.readsHeld).to.be.greaterThan(0)
  })

  for (const [limit, message] of [
    ['clientBytesPerSecond', clientFrame(ping(5) + ' '.repeat(30_000))],
    ['clientFramesPerSecond', clientFrame(ping(5))],
  ] as const) {
    it(`are held at ${limit}, in order and complete`, async () => {
      const rate = limit === 'clientBytesPerSecond' ? 200_000 : 100
      const edge = await listening({ limits: { [limit]: rate } })
      const client = await opened(edge)
      client.write(Buffer.concat([...Array<Buffer>(15).fill(message), clientFrame(ping(6))]))
      const started = performance.now()
      await client.until(() => client.endsWith('"payload":6}}'), 10_000)
      expect(performance.now() - started).to.be.greaterThan(90)
      expect(edge.readsHeld).to.be.greaterThan(0)
      expect(textsOf(client.frames).filter((text) => text.includes('pong'))).to.have.length(16)
    })
  }

  it('with compressed ops, which the parser takes one by one, get every answer', async () => {
    const edge = await listening({ permessageDeflate: true, limits: { clientFramesPerSecond: 1_000 } })
    const client = new WebSocket(`${edge.url}?token=good&version=2`, { perMessageDeflate: { threshold: 0 } })
    const pongs: string[] = []
    client.on('message', (data) => void pongs.push((data as Buffer).toString()))
    await once(client, 'open')
    const filler = 'z'.repeat(20_000)
    for (let n = 0; n < 250; n++) client.send(JSON.stringify({ op: 'ping', data: { payload: n, filler } }))
    await waitFor(() => pongs.length === 251, { timeoutMs: 10_000, everyMs: 10 })
    expect(pongs.at(-1)).to.include('249')
    client.terminate()
  })

  it('with messages that inflate to 50 MiB get 1009, and cost no memory', async () => {
    const edge = await listening({ permessageDeflate: true })
    const bomb = clientFrame(deflateRawSync(Buffer.alloc(50 * 1024 * 1024)), { rsv: 4 })
    expect(bomb.length, 'small enough to be read').to.be.below(SOCKET_LIMITS.clientFrameBytes)
    const before = process.memoryUsage().rss
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => {
        const client = edge.raw().upgrade(undefined, 'Sec-WebSocket-Extensions: permessage-deflate\r\n')
        return client.until(() => client.text.includes(INIT))
      }),
    )
    for (const client of clients) client.write(bomb)
    await Promise.all(clients.map((client) => client.until(() => client.closeCode !== undefined)))
    expect(new Set(clients.map(({ closeCode }) => closeCode))).to.deep.equal(new Set([1009]))
    expect(process.memoryUsage().rss - before).to.be.below(100 * 1024 * 1024)
  })

  it('and reset the connection leave nothing that would be parsed at once', async () => {
    const edge = await listening()
    const client = await opened(edge)
    client.write(frames(8_000, 1, ping(8)))
    await delay(100)
    client.socket.resetAndDestroy()
    await delay(100)
    expect(edge.host.connections.size).to.equal(0)
    expect([...edge.metrics.closedWith]).to.deep.equal([1006])
  })

  it('do not delay others: 30 without a token that go on with pongs after the close frame', async () => {
    const edge = await listening()
    const honest = await opened(edge)
    const flood = frames(10_000, PONG_OPCODE)
    const floods = Array.from({ length: 30 }, () => edge.raw().upgrade('/?version=2'))
    await Promise.all(floods.map((client) => client.until(() => client.closeCode !== undefined)))
    for (const client of floods) client.write(flood).write(flood).write(flood)
    const busy = performance.eventLoopUtilization()
    honest.write(clientFrame(ping(9)))
    await honest.until(() => honest.endsWith('"payload":9}}'))
    await Promise.all(floods.map((client) => client.until(() => client.ended)))
    expect(edge.floods).to.have.length(30)
    // Parsed by `ws`, these 900,000 frames keep the process busy for more than a second.
    expect(performance.eventLoopUtilization(busy).active).to.be.lessThan(500)
  })
})
