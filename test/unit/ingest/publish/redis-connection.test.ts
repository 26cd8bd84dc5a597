import { expect } from 'chai'
import { RedisConnection, type ReplaceableClient } from '@wazo-websocketd/ingest/publish/redis-connection'
import { FakeClock } from '../../../support/fakes/clock.js'

class Client implements ReplaceableClient {
  status = 'ready'
  calls: string[] = []
  answer: (value: unknown) => void = () => undefined

  callBuffer(command: string): Promise<unknown> {
    this.calls.push(command)
    return new Promise((resolve) => (this.answer = resolve))
  }

  disconnect(): void {
    this.status = 'end'
  }
}

function link() {
  const clock = new FakeClock()
  const clients: Client[] = []
  const create = (): Client => {
    const client = new Client()
    clients.push(client)
    return client
  }
  return {
    clock,
    clients,
    subject: new RedisConnection(
      { where: 'there', callTimeoutMs: 3000, readyTimeoutMs: 5000, renewIntervalMs: 1000 },
      clock,
      create,
    ),
  }
}

async function failureOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return 'no failure'
}

describe('RedisConnection', () => {
  it('passes calls on and leaves no timer behind', async () => {
    const { clock, clients, subject } = link()
    const call = subject.callBuffer('PING')
    clients[0]!.answer('PONG')
    expect(await call).to.equal('PONG')
    expect(clock.pending).to.equal(0)
    expect(subject.connected).to.equal(true)
  })

  it('gives up a connection on which a call stays without an answer, and makes another', async () => {
    const { clock, clients, subject } = link()
    const call = subject.callBuffer('PING')
    clock.advance(3000)
    expect(await failureOf(call)).to.equal('Redis at there does not answer')
    expect(clients.map(({ status }) => status)).to.deep.equal(['end', 'ready'])
    void subject.callBuffer('PING')
    expect(clients[1]!.calls).to.deep.equal(['PING'])
  })

  it('makes one new connection however many calls stay without an answer', async () => {
    const { clock, clients, subject } = link()
    const calls = [subject.callBuffer('A'), subject.callBuffer('B')]
    clock.advance(3000)
    expect(await Promise.all(calls.map(failureOf))).to.deep.equal([
      'Redis at there does not answer',
      'Redis at there does not answer',
    ])
    expect(clients).to.have.length(2)
  })

  it('replaces a client that does not become ready in time', () => {
    const { clock, clients, subject } = link()
    clients[0]!.status = 'connecting'
    void subject.callBuffer('A')
    clock.advance(2000)
    void failureOf(subject.callBuffer('A'))
    expect(clients).to.have.length(1)
    clients[0]!.status = 'ready'
    void failureOf(subject.callBuffer('A'))
    clients[0]!.status = 'connecting'
    clock.advance(500)
    void failureOf(subject.callBuffer('A'))
    expect(clients).to.have.length(1)
  })

  it('makes a fresh connection when Redis does not serve, once in a while', () => {
    const { clock, clients, subject } = link()
    for (let ms = 0; ms < 2500; ms += 100) {
      subject.renew('EVALSHA')
      clock.advance(100)
    }
    expect(clients.map(({ status }) => status)).to.deep.equal(['end', 'end', 'end', 'ready'])
  })

  it('is not connected while Redis refuses a command, until it takes that one again', async () => {
    const { clients, subject } = link()
    const told: boolean[] = []
    subject.onChange = () => told.push(subject.connected)
    subject.renew('EVALSHA')
    for (const command of ['PING', 'EVALSHA']) {
      const call = subject.callBuffer(command)
      clients[1]!.answer('fine')
      await call
      expect(subject.connected).to.equal(command === 'EVALSHA')
    }
    expect(told).to.deep.equal([false, true])
  })

  it('forgets a refusal that is not repeated: an ingest that follows makes no such call any more', () => {
    const { clock, subject } = link()
    for (let ms = 0; ms < 6000; ms += 1000) {
      subject.renew('EVALSHA')
      clock.advance(1000)
      expect(subject.connected, `${ms} ms`).to.equal(false)
    }
    clock.advance(2000)
    expect(subject.connected).to.equal(true)
  })

  it('makes no new client once stopped', async () => {
    const { clock, clients, subject } = link()
    const call = failureOf(subject.callBuffer('A'))
    subject.stop()
    subject.renew('EVALSHA')
    clock.advance(3000)
    expect(await call).to.equal('Redis at there does not answer')
    expect(clients).to.have.length(1)
    expect(subject.connected).to.equal(false)
  })
})
