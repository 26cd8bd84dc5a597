import { EventEmitter } from 'node:events'
import type { ChannelModel, ConsumeMessage } from 'amqplib'
import { expect } from 'chai'
import { CanarySender, readCanary } from '@wazo-websocketd/ingest/broker/canary'
import { Continuity } from '@wazo-websocketd/ingest/publish/continuity'
import { FakeClock } from '../../../support/fakes/clock.js'
import { settle } from '../../../support/fakes/publish-loop.js'

/** A connection whose channels record the canaries that are sent. */
function broker() {
  const sent: NonNullable<ReturnType<typeof readCanary>>[] = []
  const channels: EventEmitter[] = []
  const connection = Object.assign(new EventEmitter(), {
    createChannel: () => {
      const publish = (
        exchange: string,
        routingKey: string,
        content: Buffer,
        { headers }: { headers: object },
      ) => {
        const read = readCanary({
          fields: { exchange, routingKey },
          properties: { headers },
          content,
        } as ConsumeMessage)
        if (routingKey === 's.v1' && read !== null) sent.push(read)
      }
      channels.push(Object.assign(new EventEmitter(), { publish }))
      return Promise.resolve(channels.at(-1))
    },
  })
  return { sent, channels, connection, model: connection as unknown as ChannelModel }
}

async function started() {
  const clock = new FakeClock(0)
  const refused: string[] = []
  const options = { stream: 's.v1', ingest: 'me', intervalMs: 100, beatMs: 1000 }
  const subject = new CanarySender(options, clock, (error) => refused.push(error.message))
  clock.advance(5000)
  const first = broker()
  await subject.start(first.model)
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(100)
      await settle(2)
    }
  }
  const numbers = (): number[] => first.sent.map(({ n }) => n)
  return { clock, refused, subject, ...first, pass, numbers }
}

describe('Canary', () => {
  it('is numbered, sent ten times a second, and a beat once a second', async () => {
    const { sent, subject, pass, numbers } = await started()
    await pass(2000)
    expect(numbers()).to.deep.equal(Array.from({ length: 21 }, (_, n) => n + 1))
    expect(sent.filter(({ beat }) => beat).map(({ n }) => n)).to.deep.equal([1, 11, 21])
    expect(sent[10]).to.deep.equal({ ingest: 'me', sentAt: 6000, n: 11, first: 1, beat: true })
    subject.stop()
    await pass(1000)
    expect([sent.length, subject.sending]).to.deep.equal([21, false])
  })

  it('is sent as a beat as soon as it is asked for, and the next beat a second later', async () => {
    const { sent, subject, pass } = await started()
    await pass(500)
    subject.sendBeat()
    await pass(1000)
    expect(sent.filter(({ beat }) => beat).map(({ sentAt }) => sentAt)).to.deep.equal([5000, 5500, 6500])
    subject.stop()
  })

  it('is neither sent nor numbered while the broker takes nothing', async () => {
    const { connection, subject, pass, numbers } = await started()
    connection.emit('blocked')
    await pass(1000)
    subject.sendBeat()
    expect([subject.blocked, subject.sending, numbers()]).to.deep.equal([true, false, [1]])
    connection.emit('unblocked')
    await pass(100)
    expect([subject.blocked, subject.sending, numbers()]).to.deep.equal([false, true, [1, 2]])
    subject.stop()
  })

  it('goes on over a new channel when the broker closes its own, which proves no loss', async () => {
    const { channels, sent, subject, refused, pass } = await started()
    await pass(300)
    channels[0]!.emit('error', new Error('no permission'))
    channels[0]!.emit('close')
    expect([subject.sending, refused]).to.deep.equal([false, ['no permission']])
    await pass(1000)
    expect([channels.length, subject.sending]).to.deep.equal([2, true])
    expect(sent.slice(4).map(({ n, first }) => [n, first])[0]).to.deep.equal([5, 5])
    await pass(300)
    const continuity = new Continuity()
    continuity.attached(0, true)
    // The last canary of the old channel got lost with it.
    expect([...sent.slice(0, 3), ...sent.slice(4)].every((one) => continuity.accept(one))).to.equal(true)
    subject.stop()
  })

  it('goes on counting over another connection, and ignores what the old one reports', async () => {
    const { connection, subject, pass } = await started()
    await pass(300)
    connection.emit('blocked')
    const second = broker()
    await subject.start(second.model)
    connection.emit('blocked')
    await pass(100)
    expect(second.sent.map(({ n, first }) => [n, first])).to.deep.equal([
      [5, 5],
      [6, 5],
    ])
    expect([subject.blocked, subject.sending]).to.deep.equal([false, true])
    subject.stop()
  })

  it('rejects when the broker gives no channel at the start', async () => {
    const { subject } = await started()
    const model = Object.assign(new EventEmitter(), {
      createChannel: () => Promise.reject(new Error('none')),
    })
    const outcome = await subject
      .start(model as unknown as ChannelModel)
      .catch((error: unknown) => String(error))
    expect(outcome).to.equal('Error: none')
    subject.stop()
  })

  it('is read from the default exchange only, so that publishers to other exchanges cannot forge one', () => {
    const properties = { headers: { 'x-wazo-websocketd-canary': 'me' } }
    const read = (exchange: string) =>
      readCanary({ fields: { exchange }, properties } as unknown as ConsumeMessage)
    expect([read('')?.ingest, read('wazo-headers')]).to.deep.equal(['me', null])
  })
})
