import { HandoverReceiver, type ReceivedConnection } from '@wazo-websocketd/edge/handover/receiver'
import { expect } from 'chai'
import { FakeChannel, FakeHandle } from '../../../support/fakes/handover.js'

describe('HandoverReceiver', () => {
  let channel: FakeChannel
  let receiver: HandoverReceiver
  let received: ReceivedConnection[]
  let accepts: boolean
  let handle: FakeHandle

  beforeEach(() => {
    channel = new FakeChannel()
    received = []
    accepts = true
    handle = new FakeHandle()
    receiver = new HandoverReceiver(channel, {
      canAccept: () => accepts,
      receive: (connection) => received.push(connection),
    })
  })

  const offer = (with_: FakeHandle | null = handle) =>
    channel.receive({ kind: 'transfer-arrival', id: 5, head: 'aGk=', state: { n: 1 } }, with_)

  it('holds connections untouched until the primary says go', () => {
    offer()
    expect(channel.take()).to.deep.equal([{ kind: 'transfer-taken', id: 5 }])
    expect(received).to.deep.equal([])
    expect(receiver.size).to.equal(1)
    channel.receive({ kind: 'transfer-go', id: 5 })
    channel.receive({ kind: 'transfer-go', id: 5 })
    expect(received).to.deep.equal([{ handle, head: Buffer.from('hi'), state: { n: 1 } }])
    expect(receiver.size).to.equal(0)
    expect(handle.closed).to.equal(0)
  })

  it('closes them when the primary says drop', () => {
    offer()
    channel.receive({ kind: 'transfer-drop', id: 5 })
    channel.receive({ kind: 'transfer-go', id: 5 })
    expect(received).to.deep.equal([])
    expect(handle.closed).to.equal(1)
    expect(receiver.size).to.equal(0)
  })

  it('refuses what its target does not accept, and what has no handle', () => {
    offer(null)
    accepts = false
    offer()
    expect(channel.take()).to.deep.equal([
      { kind: 'transfer-refused', id: 5 },
      { kind: 'transfer-refused', id: 5 },
    ])
    expect(handle.closed).to.equal(1)
    expect(receiver.size).to.equal(0)
  })
})
