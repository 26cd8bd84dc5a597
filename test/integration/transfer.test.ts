/** Established connections pass between the workers of a real primary, and nobody notices. */
import { expect } from 'chai'
import { sleep, waitFor } from '../support/wait.mjs'
import { clientFrame } from '../support/frames.js'
import { RawClient } from '../support/edge-socket.js'
import { Crowd } from './support/transfer/crowd.js'
import { TransferHost, type TestWorker } from './support/transfer/host.js'

const PATIENCE_MS = 300

describe('the transfer of connections', function () {
  this.timeout(120_000)

  let host: TransferHost
  let a: TestWorker
  let b: TestWorker
  let crowd: Crowd | null
  let raws: RawClient[]

  async function start(options: ConstructorParameters<typeof TransferHost>[0] = {}): Promise<void> {
    host = new TransferHost(options)
    a = await host.worker()
    b = await host.worker()
  }
  const connect = async (size: number) => (crowd = await Crowd.connect(host.url(a), size))

  async function raw(): Promise<RawClient> {
    const client = new RawClient(a.port)
    raws.push(client)
    await client.upgrade().until(() => client.text.includes('\r\n\r\n'))
    return client
  }
  /** The answers that a raw client got, as text. */
  const answered = (client: RawClient) => client.frames.toString('latin1')

  /** Nothing is left of any connection, in any process that lives. */
  async function nothingLeft(workers: TestWorker[], fds: number[]): Promise<void> {
    await waitFor(
      async () => {
        const facts = await Promise.all(workers.map((worker) => host.facts(worker)))
        return facts.every(
          ({ sessions, primary, fds: now }, at) =>
            sessions === 0 && primary.onTheWay === 0 && now <= fds[at]! && primary.fds <= fds.at(-1)!,
        )
      },
      { timeoutMs: 10_000, what: 'the end of all handles' },
    )
  }
  async function descriptors(): Promise<number[]> {
    const facts = [await host.facts(a), await host.facts(b)]
    return [...facts.map(({ fds }) => fds), facts[0]!.primary.fds]
  }

  beforeEach(() => {
    crowd = null
    raws = []
  })
  afterEach(async () => {
    crowd?.end()
    for (const { socket } of raws) socket.destroy()
    await host.stop()
  })

  for (const address of ['127.0.0.1', '::1']) {
    it(`closes nothing and loses, doubles and reorders nothing, there and back under load, on ${address}`, async () => {
      await start({ address })
      const { clients } = await connect(200)
      const ports = clients.map(({ localPort }) => localPort)
      crowd!.start()
      for (let round = 0; round < 3; round++) {
        for (const [from, to] of [
          [a, b],
          [b, a],
        ] as const) {
          await sleep(300)
          const tally = await host.move(from, to)
          expect(Object.values(tally).reduce((sum, n) => sum + n, 0)).to.equal(200)
          // A frame may stand half sent for longer than patience lasts when the machine is busy; then it stays.
          expect(tally['moved']).to.be.greaterThan(0)
          const rest = Object.keys(tally).filter((how) => how !== 'moved')
          expect(rest.filter((how) => !['unsent', 'mid-frame'].includes(how))).to.deep.equal([])
          if (rest.length > 0) await host.move(from, to)
        }
      }
      crowd!.stop()
      await crowd!.settled()
      crowd!.once()
      await crowd!.settled()
      expect(clients.filter(({ closed }) => closed !== null)).to.deep.equal([])
      expect(crowd!.sum('faults')).to.equal(0)
      expect(crowd!.sum('sent')).to.be.greaterThan(200 * 20)
      expect(clients.map(({ tcp }) => tcp.localPort)).to.deep.equal(ports)
      const facts = [await host.facts(a), await host.facts(b)]
      expect(facts.map(({ gaps }) => gaps)).to.deep.equal([0, 0])
      expect(facts.map(({ sessions }) => sessions)).to.deep.equal([200, 0])
      expect(new Set(clients.map(({ by }) => by))).to.deep.equal(new Set([a.pid]))
    })
  }

  it('leaves a client in the middle of a frame or a message where it is, until that has come', async () => {
    await start()
    const half = await raw()
    const fragmented = await raw()
    half.write(clientFrame('1 half').subarray(0, 5))
    fragmented.write(clientFrame('1 frag', { fin: false }))
    await sleep(100)
    const since = performance.now()
    expect(await host.move(a, b)).to.deep.equal({ 'mid-frame': 1, 'mid-message': 1 })
    expect(performance.now() - since).to.be.at.least(PATIENCE_MS - 10)

    half.write(clientFrame('1 half').subarray(5))
    fragmented.write(clientFrame('ment', { opcode: 0 }))
    await half.until(() => answered(half).includes(`1 half ${a.pid}`))
    await fragmented.until(() => answered(fragmented).includes(`1 fragment ${a.pid}`))
    expect(await host.move(a, b)).to.deep.equal({ moved: 2 })
    half.write(clientFrame('2 half'))
    await half.until(() => answered(half).includes(`2 half ${b.pid}`))
    expect((await host.facts(b)).gaps).to.equal(0)
  })

  it('waits a little for the rest of a frame', async () => {
    await start()
    const half = await raw()
    half.write(clientFrame('1 late').subarray(0, 5))
    await sleep(100)
    const tally = host.move(a, b)
    await sleep(50)
    half.write(clientFrame('1 late').subarray(5))
    expect(await tally).to.deep.equal({ moved: 1 })
    expect(answered(half)).to.include(`1 late ${a.pid}`)
  })

  it('leaves a client that does not take what it is sent where it is, until it has', async () => {
    await start()
    const slow = await raw()
    slow.socket.pause()
    slow.write(clientFrame('flood'))
    await sleep(100)
    expect(await host.move(a, b)).to.deep.equal({ unsent: 1 })
    slow.socket.resume()
    await slow.until(() => slow.frames.length >= 12 << 20, 20_000)
    slow.write(clientFrame('1'))
    await slow.until(() => slow.endsWith(`1 ${a.pid}`))
    expect(slow.frames.subarray(10, (12 << 20) + 10).every((byte) => byte === 0x78)).to.equal(true)
    expect(await host.move(a, b)).to.deep.equal({ moved: 1 })
    slow.write(clientFrame('2'))
    await slow.until(() => slow.endsWith(`2 ${b.pid}`))
  })

  it('carries frames that were read and not understood, and goes on behind them', async () => {
    await start()
    const client = await raw()
    await host.tell(a, 'pause')
    const frames = ['1', '2', '3', '4', '5'].map((text) => clientFrame(text))
    client.write(Buffer.concat([...frames.slice(0, 4), frames[4]!.subarray(0, 3)]))
    await sleep(100)
    const tally = host.move(a, b)
    client.write(frames[4]!.subarray(3))
    expect(await tally).to.deep.equal({ moved: 1 })
    await client.until(() => answered(client).includes(`5 ${b.pid}`))
    expect(answered(client).match(/\d+ \d+/g)).to.deep.equal([1, 2, 3, 4, 5].map((n) => `${n} ${b.pid}`))
    expect((await host.facts(b)).gaps).to.equal(0)
  })

  it('survives clients that close or reset while they move, and keeps nothing of them', async () => {
    await start()
    const before = await descriptors()
    for (let round = 0; round < 3; round++) {
      const { clients } = await connect(120)
      crowd!.once()
      const tally = host.move(a, b)
      for (const [at, client] of clients.entries()) {
        if (at % 10 === 0) await sleep(0)
        if (at % 3 === 0) client.tcp.resetAndDestroy()
        else if (at % 3 === 1) client.socket.close(1000)
        else client.socket.terminate()
      }
      expect(Object.keys(await tally)).to.not.include('died')
      await waitFor(() => crowd!.open.length === 0, { timeoutMs: 10_000, what: 'the end of all clients' })
      await nothingLeft([a, b], before)
    }
    const { clients } = await connect(1)
    expect(await host.move(a, b)).to.deep.equal({ moved: 1 })
    crowd!.once()
    await crowd!.settled()
    expect(clients[0]!.by).to.equal(b.pid)
  })

  it('gives back what a successor that is killed has not taken, and none hangs', async () => {
    await start()
    const before = await descriptors()
    const { clients } = await connect(200)
    crowd!.start()
    await sleep(200)
    const tally = host.move(a, b)
    await waitFor(async () => (await host.facts(b)).sessions > 0, { what: 'the first arrivals' })
    await host.kill(b)
    const { moved = 0, ...rest } = await tally
    expect(moved).to.be.greaterThan(0)
    crowd!.stop()
    await waitFor(() => crowd!.open.length <= 200 - moved, { what: 'the end of what the dead worker had' })
    await crowd!.settled()
    // Those that it had taken have ended with it; all others work on, unharmed.
    expect(crowd!.open).to.have.length(200 - moved)
    expect(rest['withdrawn']).to.equal(undefined)
    expect(Object.values(rest).reduce((sum, n) => sum + n, 0)).to.equal(200 - moved)
    expect(crowd!.sum('faults')).to.equal(0)
    expect((await host.facts(a)).sessions).to.equal(200 - moved)

    b = await host.worker()
    if (moved < 200) expect(await host.move(a, b)).to.deep.equal({ moved: 200 - moved })
    crowd!.once()
    await crowd!.settled()
    expect(crowd!.open.every(({ by }) => by === b.pid)).to.equal(true)
    expect([(await host.facts(a)).gaps, (await host.facts(b)).gaps]).to.deep.equal([0, 0])
    for (const client of clients) client.socket.terminate()
    await nothingLeft([a], [before[0]!, before[2]!])
  })

  it('keeps or ends what an old worker that is killed was sending, and none hangs', async () => {
    await start()
    const before = await descriptors()
    const { clients } = await connect(200)
    crowd!.start()
    await sleep(200)
    const tally = host.move(a, b)
    await waitFor(async () => (await host.facts(b)).sessions > 0, { what: 'the first arrivals' })
    await host.kill(a)
    expect(await tally).to.deep.equal({ died: 1 })
    await sleep(500)
    crowd!.stop()
    await crowd!.settled()
    const facts = await host.facts(b)
    expect(facts.sessions).to.equal(crowd!.open.length)
    expect(facts.sessions).to.be.greaterThan(0)
    expect(facts.gaps + crowd!.sum('faults')).to.equal(0)
    expect(facts.primary.onTheWay).to.equal(0)
    for (const client of clients) client.socket.terminate()
    await nothingLeft([b], [before[1]!, before[2]!])
  })

  it('goes on at the old worker when there is no successor, it refuses or it hangs', async () => {
    await start({ takenWithinMs: 300 })
    const before = await descriptors()
    const { clients } = await connect(24)
    crowd!.start()
    expect(await host.move(a, null)).to.deep.equal({ 'no-successor': 24 })
    process.kill(b.pid, 'SIGSTOP')
    const hanging = await host.move(a, b)
    process.kill(b.pid, 'SIGCONT')
    expect(hanging).to.deep.equal({ timeout: 24 })
    await waitFor(async () => (await host.facts(b)).fds <= before[1]! + 1, { what: 'the dropped handles' })
    await host.tell(b, 'deafen')
    expect(await host.move(a, b)).to.deep.equal({ 'successor-refused': 24 })
    crowd!.stop()
    await crowd!.settled()
    expect(crowd!.open).to.have.length(24)
    expect(crowd!.sum('faults')).to.equal(0)
    expect(clients.every(({ by }) => by === a.pid)).to.equal(true)
    for (const client of clients) client.socket.terminate()
    await nothingLeft([a, b], before)
  })

  it('leaks no handle in ten thousand moves', async () => {
    await start()
    const before = await descriptors()
    const { clients } = await connect(100)
    let moved = 0
    for (let round = 0; round < 50; round++) {
      moved += (await host.move(a, b))['moved'] ?? 0
      moved += (await host.move(b, a))['moved'] ?? 0
      if (round % 10 === 0) crowd!.once()
    }
    await crowd!.settled()
    expect(moved).to.be.greaterThan(9_900)
    expect(crowd!.open).to.have.length(100)
    expect(crowd!.sum('faults')).to.equal(0)
    const now = await descriptors()
    expect(now[0]).to.be.at.most(before[0]! + 100)
    expect(now[1]).to.be.at.most(before[1]!)
    expect(now[2]).to.be.at.most(before[2]!)
    for (const client of clients) client.socket.terminate()
    await nothingLeft([a, b], before)
  })
})
