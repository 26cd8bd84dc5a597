import { HandoverReceiver, type ReceivedConnection } from '@wazo-websocketd/edge/handover/receiver'
import { expect } from 'chai'
import { FakeChannel, FakeHandle } from '../../../support/fakes/handover.js'

describe('the arrivals of a worker', () => {
  let channel: FakeChannel
  let arrivals: HandoverReceiver
  let adopted: ReceivedConnection[]
  let welcome: boolean
  let handle: FakeHandle

  beforeEach(() => {
    channel = new FakeChannel()
    adopted = []
    welcome = true
    handle = new FakeHandle()
    arrivals = new HandoverReceiver(channel, {
      canAccept: () => welcome,
      receive: (arrived) => adopted.push(arrived),
    })
  })

  const arrive = (with_: FakeHandle | null = handle) =>
    channel.receive({ kind: 'transfer-arrival', id: 5, head: 'aGk=', state: { n: 1 } }, with_)

  it('are held untouched until the primary says go', () => {
    arrive()
    expect(channel.take()).to.deep.equal([{ kind: 'transfer-taken', id: 5 }])
    expect(adopted).to.deep.equal([])
    expect(arrivals.size).to.equal(1)
    channel.receive({ kind: 'transfer-go', id: 5 })
    channel.receive({ kind: 'transfer-go', id: 5 })
    expect(adopted).to.deep.equal([{ handle, head: Buffer.from('hi'), state: { n: 1 } }])
    expect(arrivals.size).to.equal(0)
    expect(handle.closed).to.equal(0)
  })

  it('are closed when the primary says drop', () => {
    arrive()
    channel.receive({ kind: 'transfer-drop', id: 5 })
    channel.receive({ kind: 'transfer-go', id: 5 })
    expect(adopted).to.deep.equal([])
    expect(handle.closed).to.equal(1)
    expect(arrivals.size).to.equal(0)
  })

  it('are refused by a host that does not want them, and without a handle', () => {
    arrive(null)
    welcome = false
    arrive()
    expect(channel.take()).to.deep.equal([
      { kind: 'transfer-refused', id: 5 },
      { kind: 'transfer-refused', id: 5 },
    ])
    expect(handle.closed).to.equal(1)
    expect(arrivals.size).to.equal(0)
  })
})
