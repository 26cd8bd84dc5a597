import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { Drain } from '@wazo-websocketd/edge/drain/drain'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { connect, type Client } from '../support/client.js'
import { waitFor } from '../support/wait.mjs'
import { event } from '../support/fakes/session.js'
import { Edge, type EdgeOptions, type RawClient } from '../support/edge-socket.js'

const MIB = 1024 * 1024
const LARGE = JSON.stringify({ filler: 'x'.repeat(MIB) })

describe('clients that misbehave', function () {
  this.timeout(20_000)
  const edges: Edge[] = []
  const edge = async (options: EdgeOptions = {}) => {
    const one = await new Edge(options).listen()
    edges.push(one)
    return one
  }

  afterEach(async () => {
    for (const one of edges.splice(0)) await one.stop()
  })

  /** A started session whose client does not read from here on. */
  const stalled = async (one: Edge): Promise<Client> => {
    const client = connect(one.url, { token: 'good', version: 1 })
    await client.start('large')
    client.socket.pause()
    return client
  }

  const healthy = async (one: Edge) => {
    const client = connect(one.url, { token: 'good', version: 2 })
    await client.start('small')
    return client
  }

  it('are closed with 1013 at the hard limit of their buffer, and others go on', async () => {
    const one = await edge({ limits: { sendBufferHardBytes: 8 * MIB } })
    const [slow, other] = [await stalled(one), await healthy(one)]
    for (let i = 0; i < 30 && one.slowConsumers === 0; i++) {
      one.registry.route(event(i, { name: 'large', text: LARGE }))
      await delay(5)
    }
    expect(one.slowConsumers).to.equal(1)
    one.registry.route(event(99, { name: 'small' }))
    expect(await other.next()).to.include({ op: 'event' })
    expect(one.registry.recipients.size).to.equal(1)
    slow.socket.resume()
    expect(await slow.closed).to.deep.equal({ code: 1013, reason: 'slow consumer' })
    expect(one.metrics.closedWith).to.deep.equal([1013])
  })

  it('are closed when they stay above the soft limit, and terminated when they still do not read', async () => {
    const one = await edge({ limits: { sendBufferSoftTime: 1_000 } })
    await stalled(one)
    for (let i = 0; i < 10; i++) one.registry.route(event(i, { name: 'large', text: LARGE }))
    await delay(700)
    expect(one.slowConsumers).to.equal(0)
    await delay(800)
    expect(one.slowConsumers).to.equal(1)
    expect(one.host.connections.size).to.equal(0)
  })

  it('are left alone when they take what they are sent in time', async () => {
    const one = await edge({ limits: { sendBufferSoftTime: 1_000 } })
    const client = await stalled(one)
    for (let i = 0; i < 10; i++) one.registry.route(event(i, { name: 'large', text: LARGE }))
    await delay(600)
    client.socket.resume()
    for (let i = 0; i < 10; i++) expect(await client.nextText()).to.have.length(LARGE.length)
    await delay(1_200)
    expect(one.slowConsumers).to.equal(0)
    expect(one.bufferedBytes).to.equal(0)
  })

  it('are shed, the largest first, when the worker has too much in its buffers', async () => {
    const one = await edge({ limits: { sendBufferWorkerBytes: 20 * MIB } })
    const slow = [await stalled(one), await stalled(one)]
    const [largest] = [...one.registry.recipients]
    for (let i = 0; i < 10; i++) largest!.deliver(event(i, { name: 'large', text: LARGE }))
    await delay(20)
    // Bytes of their own: what many are given counts once.
    let given = 0
    for (; given < 14 && one.slowConsumers === 0; given++) {
      for (const recipient of one.registry.recipients)
        recipient.deliver(event(10 + given, { name: 'large', text: LARGE }))
      await delay(5)
    }
    expect(one.slowConsumers).to.equal(1)
    slow[1]!.socket.resume()
    for (let i = 0; i < given; i++) expect(await slow[1]!.nextText()).to.have.length(LARGE.length)
  })

  it('are not closed for being many that are owed the same, as after an outage, while they read', async () => {
    const one = await edge({
      limits: { sendBufferWorkerBytes: 16 * MIB, sendBufferSoftTime: 4_000 },
      sessionLimits: { connectionsPerToken: 1_000 },
    })
    const clients = await Promise.all(Array.from({ length: 30 }, () => stalled(one)))
    for (let i = 0; i < 8; i++) one.registry.route(event(i, { name: 'large', text: LARGE }))
    await delay(400)
    expect(one.slowConsumers).to.equal(0)
    expect(one.bufferedBytes).to.be.within(MIB, 16 * MIB)
    const [deaf, ...reading] = clients
    for (const { socket } of reading) socket.resume()
    for (let i = 0; i < 8; i++)
      for (const text of await Promise.all(reading.map((client) => client.nextText())))
        expect(text).to.have.length(LARGE.length)
    expect(one.slowConsumers).to.equal(0)
    await waitFor(() => one.slowConsumers === 1, {
      timeoutMs: 6_000,
      what: 'the end of the one that does not',
    })
    deaf!.socket.resume()
    expect(await deaf!.closed).to.deep.equal({ code: 1013, reason: 'slow consumer' })
  })

  it('are destroyed when they do not answer a close frame', async () => {
    const one = await edge()
    const client = one.raw().upgrade()
    await client.until(() => one.host.connections.size === 1)
    client.socket.pause()
    for (const member of one.host.connections.all()) member.end({ code: 4003, reason: 'x', comeBack: false })
    await delay(4_000)
    expect(one.host.connections.size).to.equal(1)
    await delay(1_500)
    expect(one.host.connections.size).to.equal(0)
  })

  it('are destroyed when they do not answer pings; those that do stay', async () => {
    const one = await edge({ pingInterval: 400, limits: { pongTime: 600 } })
    const dead = one.raw().upgrade()
    const alive = await healthy(one)
    await dead.until(() => dead.ended, 3_000)
    expect(dead.frames.includes(Buffer.from([0x89, 0]))).to.equal(true)
    await delay(1_500)
    expect(await alive.ask('ping', { payload: 1 })).to.deep.include({ op: 'pong' })
    expect(one.metrics.closedWith).to.deep.equal([1006])
  })

  it('are not taken for dead while the server does not read them', async () => {
    const one = await edge({
      pingInterval: 300,
      limits: { pongTime: 400 },
      sessionLimits: { opsBurst: 1, opsPerSecond: 2 },
    })
    const client = connect(one.url, { token: 'good', version: 2 })
    await client.next()
    for (let i = 0; i < 6; i++) client.send({ op: 'ping', data: { payload: i } })
    for (let i = 0; i < 6; i++) expect(await client.next()).to.deep.include({ data: { payload: i } })
  })

  it('are cut off within six seconds when they trickle their headers', async () => {
    const one = await edge()
    const clients = Array.from({ length: 200 }, () => one.raw())
    const text = `GET /?token=good HTTP/1.1\r\nHost: x\r\nX-Slow: ${'x'.repeat(100)}`
    const trickle = setInterval(() => {
      for (const client of clients)
        if (!client.ended) client.write(text.charAt(client.socket.bytesWritten) || 'x')
    }, 500)
    await clients[0]!.until(() => clients.every(({ ended }) => ended), 8_000)
    clearInterval(trickle)
    expect(Math.max(...clients.map(({ endedAfter }) => endedAfter))).to.be.lessThan(6_000)
    expect(one.refusals, 'counted').to.deep.equal(clients.map(() => 'timeout'))
    expect(await connect(one.url, { token: 'good' }).next()).to.include({ op: 'init' })
  })

  it('do not keep others out while they trickle: the oldest goes when there are too many', async () => {
    const one = await edge({ limits: { incompleteUpgrades: 20 } })
    const clients: RawClient[] = []
    for (let i = 0; i < 30; i++) {
      clients.push(one.raw().write('GET / HTTP/1.1\r\n'))
      await delay(5)
    }
    await clients[0]!.until(() => clients.slice(0, 10).every(({ ended }) => ended))
    const client = connect(one.url, { token: 'good', version: 2 })
    await client.start('foo')
    expect(clients.slice(11).every(({ ended }) => !ended)).to.equal(true)
    expect(one.refusals.length).to.be.within(10, 11)
    for (const { socket } of clients) socket.destroy()
    expect(await client.ask('ping', { payload: 1 })).to.deep.include({ op: 'pong' })
  })

  it('leave nothing behind', async () => {
    const one = await edge()
    const clients = await Promise.all(Array.from({ length: 50 }, () => healthy(one)))
    clients.forEach(({ socket }, at) => (at % 2 === 0 ? socket.terminate() : socket.close()))
    await Promise.all(clients.map(({ closed }) => closed))
    await delay(50)
    expect(one.host.connections.size).to.equal(0)
    expect(one.registry.recipients.size).to.equal(0)
    expect(one.bus.openLeases).to.equal(0)
    expect(one.watch.open).to.equal(0)
    expect(one.metrics.live).to.equal(0)
  })
})

describe('a drain', function () {
  this.timeout(20_000)

  it('closes real sessions with 1012 at its pace', async () => {
    const one = await new Edge().listen()
    const clients = await Promise.all(
      Array.from({ length: 100 }, async (_, at) => {
        one.auth.mint(`t${at}`)
        const client = connect(one.url, { token: `t${at}`, version: 2 })
        await client.start('foo')
        return client
      }),
    )
    one.server.stopListening()
    const drain = new Drain({
      arriving: () => 0,
      clock: systemClock,
      connections: one.host.connections,
      closeGroup: one.host.closeForRestart,
      ratePerSecond: 50,
      timeout: 30_000,
    })
    const startedAt = performance.now()
    await drain.run()
    expect(performance.now() - startedAt).to.be.within(1_700, 3_000)
    for (const { closed } of clients)
      expect(await closed).to.deep.equal({ code: 1012, reason: 'service restart' })
  })
})
