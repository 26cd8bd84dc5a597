import type { WorkerMessage } from '@wazo-websocketd/edge/process/messages'
import {
  ignoreGroupSignals,
  PrimaryLink,
  type PrimaryChannel,
} from '@wazo-websocketd/edge/process/primary-link'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'

class FakeChannel implements PrimaryChannel {
  readonly sent: WorkerMessage[] = []
  readonly exits: number[] = []
  receive: (message: unknown) => void = () => undefined
  disconnect: () => void = () => undefined
  send(message: WorkerMessage, done: () => void): void {
    this.sent.push(message)
    done()
  }
  onMessage(listener: (message: unknown) => void): void {
    this.receive = listener
  }
  onDisconnect(listener: () => void): void {
    this.disconnect = listener
  }
  exit(status: number): void {
    this.exits.push(status)
  }
}

function setUp() {
  const clock = new FakeClock()
  const channel = new FakeChannel()
  const link = new PrimaryLink(clock, channel)
  const orders: unknown[] = []
  const handler = {
    drain: (order: unknown) => void orders.push(order),
    closeNow: () => void orders.push('close'),
  }
  return { clock, channel, link, orders, handler }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))
const snapshot = () => Promise.resolve([])
const ORDER = { ratePerSecond: 100, timeoutMs: 30_000 }

describe("the worker's link to the primary", () => {
  it('says hello and receives its setup and place', async () => {
    const { channel, link } = setUp()
    const assignment = link.receiveAssignment()
    expect(channel.sent).to.deep.equal([{ kind: 'hello' }])
    const place = { slot: 1, successor: true }
    channel.receive({ kind: 'setup', setup: { port: 1 }, place })
    expect(await assignment).to.deep.include({ setup: { port: 1 }, place })
  })

  it('has the log file opened anew when the primary says so, and ignores that before there is one', () => {
    const { channel, link } = setUp()
    let reopened = 0
    channel.receive({ kind: 'reopen' })
    link.reopenLogBy(() => reopened++)
    channel.receive({ kind: 'reopen' })
    expect(reopened).to.equal(1)
  })

  it('reports what is missing only when it changes', () => {
    const { channel, link } = setUp()
    link.reportNotReady(['Redis'])
    link.reportNotReady(['Redis'])
    link.reportNotReady([])
    expect(channel.sent).to.deep.equal([
      { kind: 'missing', missing: ['Redis'] },
      { kind: 'missing', missing: [] },
    ])
  })

  it('says something every second, and every fifth time its metrics', async () => {
    const { channel, clock, link } = setUp()
    link.reportNotReady(['Redis'])
    link.pushMetrics(snapshot)
    for (let i = 0; i < 6; i++) {
      await settle()
      clock.advance(1000)
    }
    await settle()
    const kinds = channel.sent.map(({ kind }) => kind)
    const life = { kind: 'missing', missing: ['Redis'] }
    expect(kinds.slice(1)).to.deep.equal([
      'metrics',
      ...Array.from({ length: 4 }, () => 'missing'),
      'metrics',
      'missing',
    ])
    expect(channel.sent.filter(({ kind }) => kind === 'missing')).to.deep.equal(
      Array.from({ length: 6 }, () => life),
    )
  })

  it('tells its metrics when the primary asks, also before it has somebody for orders; not once it has ended', async () => {
    const { channel, link } = setUp()
    channel.receive({ kind: 'tell' })
    await settle()
    expect(channel.sent).to.deep.equal([])
    link.pushMetrics(snapshot)
    await settle()
    channel.receive({ kind: 'tell' })
    await settle()
    expect(channel.sent).to.deep.equal(Array.from({ length: 2 }, () => ({ kind: 'metrics', snapshot: [] })))
    await link.finish()
    channel.sent.length = 0
    channel.receive({ kind: 'tell' })
    await settle()
    expect(channel.sent).to.deep.equal([])
  })

  it('shares the master tenant with other workers, through the primary', () => {
    const { channel, link, orders, handler } = setUp()
    link.handle(handler)
    const heard: unknown[] = []
    channel.receive({ kind: 'tenant', tenant: 'nobody asked', asks: true })
    link.shareTenant('here', (share) => heard.push(share))
    channel.receive({ kind: 'tenant', tenant: 'one', asks: false })
    link.tellTenant('two')
    expect(heard).to.deep.equal([{ kind: 'tenant', tenant: 'one', asks: false }])
    expect(channel.sent).to.deep.equal([
      { kind: 'tenant-source', source: 'here' },
      { kind: 'tenant', tenant: 'two' },
    ])
    expect(orders).to.deep.equal([])
  })

  it('passes the orders of the primary on, also those that came too early', () => {
    const { channel, link, orders, handler } = setUp()
    channel.receive({ kind: 'drain', order: ORDER })
    expect(orders).to.deep.equal([])
    link.handle(handler)
    channel.receive({ kind: 'close' })
    channel.receive({ kind: 'nonsense' })
    expect(orders).to.deep.equal([ORDER, 'close'])
  })

  it('sends its last metrics before it ends with status 0', async () => {
    const { channel, clock, link } = setUp()
    link.pushMetrics(snapshot)
    await settle()
    await link.finish()
    await link.finish()
    expect(channel.sent.map(({ kind }) => kind)).to.deep.equal(['metrics', 'metrics', 'drained'])
    expect(channel.exits).to.deep.equal([0])
    expect(clock.pending).to.equal(0)
  })

  it('ends when the primary is gone', () => {
    const { channel } = setUp()
    channel.disconnect()
    expect(channel.exits).to.deep.equal([1])
  })

  it('ends once when the primary goes while it finishes', async () => {
    const { channel, link } = setUp()
    await link.finish()
    channel.disconnect()
    expect(channel.exits).to.deep.equal([0])
  })

  it('tells the primary why no worker can serve', async () => {
    const { channel, link } = setUp()
    await link.fatal('cannot listen on 127.0.0.1:9502', 1)
    expect(channel.sent).to.deep.equal([
      { kind: 'fatal', line: 'cannot listen on 127.0.0.1:9502', status: 1 },
    ])
  })

  it('leaves signals for the group to the primary', () => {
    const ignored: unknown[] = []
    ignoreGroupSignals({
      on(event: string | symbol) {
        ignored.push(event)
        return process
      },
    })
    expect(ignored).to.have.members(['SIGINT', 'SIGTERM', 'SIGHUP'])
  })
})
