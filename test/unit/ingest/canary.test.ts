import { EventEmitter } from 'node:events'
import type { ChannelModel } from 'amqplib'
import { expect } from 'chai'
import { Canary } from '@wazo-websocketd/ingest/canary'
import { FakeClock } from '../shared/runtime/fake-clock.js'

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
}

async function started() {
  const clock = new FakeClock()
  let sent = 0
  let connections = 0
  const channel = Object.assign(new EventEmitter(), { publish: () => ++sent > 0 })
  const connection = Object.assign(new EventEmitter(), {
    createChannel: () => Promise.resolve(channel),
    close: () => Promise.resolve(),
  })
  const subject = new Canary({ stream: 's.v1', ingest: 'me', intervalMs: 1000 }, clock, () => {
    connections++
    return Promise.resolve(connection as unknown as ChannelModel)
  })
  subject.start()
  await settle()
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await settle()
  }
  return { clock, channel, connection, subject, pass, counts: () => ({ sent, connections }) }
}

describe('Canary', () => {
  it('knows since when what it sends has not been heard of', async () => {
    const { subject, pass } = await started()
    for (let n = 0; n < 3; n++) await pass(1000)
    expect(subject.unheardSince).to.equal(0)
    await pass(500)
    subject.heard()
    expect(subject.unheardSince).to.equal(null)
    await pass(500)
    expect(subject.unheardSince).to.equal(4000)
    await subject.stop()
  })

  it('misses nothing while the broker takes nothing, and counts from anew when it does again', async () => {
    const { connection, subject, pass } = await started()
    connection.emit('blocked')
    await pass(1000)
    expect(subject.blocked).to.equal(true)
    expect(subject.unheardSince).to.equal(null)
    connection.emit('unblocked')
    expect(subject.unheardSince).to.equal(null)
    await pass(1000)
    expect(subject.unheardSince).to.equal(2000)
    await subject.stop()
  })

  for (const what of ['channel', 'connection'] as const)
    it(`misses nothing that may have got lost with its ${what}`, async () => {
      const { [what]: lost, subject } = await started()
      expect(subject.unheardSince).to.equal(0)
      lost.emit('close')
      expect(subject.unheardSince).to.equal(null)
      await subject.stop()
    })

  it('is sent as soon as it is asked for after its connection was lost, not with the next second', async () => {
    const { connection, subject, pass, counts } = await started()
    connection.emit('close')
    subject.send()
    subject.send()
    await pass(0)
    expect(counts()).to.deep.equal({ sent: 2, connections: 2 })
    await pass(1000)
    expect(counts()).to.deep.equal({ sent: 3, connections: 2 })
    await subject.stop()
  })

  it('opens no second connection when the broker has closed the channel alone', async () => {
    const { channel, subject, pass, counts } = await started()
    channel.emit('close')
    await pass(1000)
    expect(counts()).to.deep.equal({ sent: 2, connections: 1 })
    await subject.stop()
  })
})
