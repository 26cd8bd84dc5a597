import type { ConsumeMessage } from 'amqplib'
import { expect } from 'chai'
import { MessageInbox } from '@wazo-websocketd/ingest/broker/inbox'
import { FakeClock } from '../../../support/fakes/clock.js'

function message(name: string): ConsumeMessage {
  return { fields: { consumerTag: name } } as ConsumeMessage
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function nameOf(value: ConsumeMessage | null): string | null {
  return value === null ? null : value.fields.consumerTag
}

describe('MessageInbox', () => {
  it('gives messages one by one, those that came early and those that come late', async () => {
    const clock = new FakeClock()
    const inbox = new MessageInbox(clock)
    inbox.put(message('a'))
    expect(nameOf(await inbox.next(100))).to.equal('a')
    const late = inbox.next(100)
    inbox.put(message('b'))
    expect(nameOf(await late)).to.equal('b')
    expect(clock.pending).to.equal(0)
  })

  it('gives null after the time without a message, and keeps what comes later', async () => {
    const clock = new FakeClock()
    const inbox = new MessageInbox(clock)
    const none = inbox.next(100)
    clock.advance(100)
    expect(await none).to.equal(null)
    inbox.put(message('a'))
    expect(nameOf(await inbox.next(100))).to.equal('a')
  })

  it('rejects callers that wait, or ask later, when the consumer has ended', async () => {
    const inbox = new MessageInbox(new FakeClock())
    const waiting = inbox.next(100).catch(messageOf)
    inbox.end('cancelled')
    inbox.end('again')
    expect(await waiting).to.equal('cancelled')
    expect(await inbox.next(100).catch(messageOf)).to.equal('cancelled')
  })

  it('flows in order: first what has been waiting, then what comes', () => {
    const inbox = new MessageInbox(new FakeClock())
    const got: (string | null)[] = []
    const ends: string[] = []
    inbox.put(message('a'))
    inbox.put(message('b'))
    inbox.flow(
      (one) => got.push(nameOf(one)),
      (why) => ends.push(why),
    )
    inbox.put(message('c'))
    expect(got).to.deep.equal(['a', 'b', 'c'])
    inbox.end('closed')
    expect(ends).to.deep.equal(['closed'])
  })

  it('reports an end that came before it flows', () => {
    const inbox = new MessageInbox(new FakeClock())
    inbox.end('closed')
    const ends: string[] = []
    inbox.flow(
      () => undefined,
      (why) => ends.push(why),
    )
    expect(ends).to.deep.equal(['closed'])
  })
})
