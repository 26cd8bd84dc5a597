import { expect } from 'chai'
import { pino } from 'pino'
import type { Answer, PublishCall } from '@wazo-websocketd/ingest/chain'
import { Ledger } from '@wazo-websocketd/ingest/ledger'
import type { IngestMetrics } from '@wazo-websocketd/ingest/metrics'
import { initialSituation } from '@wazo-websocketd/ingest/state'
import type { Epoch } from '@wazo-websocketd/shared/domain/identity'
import { FakeClock } from '../shared/runtime/fake-clock.js'
import { delivery } from './delivery-of.js'

function ledger() {
  const clock = new FakeClock()
  const situation = initialSituation()
  const log: string[] = []
  const counted: unknown[] = []
  const answers: string[] = []
  const metrics: IngestMetrics = {
    amqpConnected: () => undefined,
    amqpReconnected: () => undefined,
    redisConnected: () => undefined,
    publishing: () => undefined,
    messages: (result, count) => counted.push([result, count]),
    published: (events, seconds) => counted.push(['batch', events, seconds]),
    answered: (answer) => answers.push(answer),
    publishFailed: () => counted.push('failed'),
    lag: (seconds) => counted.push(['lag', seconds]),
  }
  const logger = pino({}, { write: (line) => void log.push(line) })
  const subject = new Ledger({ clock, log: logger, metrics, situation })
  return { clock, situation, log, counted, answers, subject }
}

const dropped = { event: null, reason: 'no_acl' } as const
const CALL: PublishCall = {
  partition: 0,
  epoch: 'E' as Epoch,
  prev: 0,
  last: 3,
  fingerprint: '',
  deliveries: [delivery(1), delivery(2), delivery(3, dropped)],
  retried: false,
}

describe('Ledger', () => {
  it('counts the events of a batch that went out, and nothing of one that did not', () => {
    const { counted, answers, subject } = ledger()
    const others: Answer[] = [{ kind: 'DUP', head: 3 }, { kind: 'lost' }, { kind: 'EMPTY' }]
    for (const answer of others) subject.answered([CALL], [answer], 0.5)
    expect(counted).to.deep.equal([])
    subject.answered([CALL], [{ kind: 'OK', head: 3 }], 0.5)
    expect(counted).to.deep.equal([['batch', 2, 0.5]])
    expect(answers).to.deep.equal(['DUP', 'lost', 'EMPTY', 'OK'])
  })

  it('knows that Redis refuses batches until it answers another one; a lost answer says nothing', () => {
    const { counted, situation, log, subject } = ledger()
    subject.answered([CALL], [{ kind: 'failed', why: 'Redis: OOM' }], 0)
    expect(situation.refused).to.equal(true)
    expect(counted).to.deep.equal(['failed'])
    expect(log.join('')).to.contain('a batch was refused by Redis: OOM')
    subject.answered([CALL], [{ kind: 'lost' }], 0)
    expect(situation.refused).to.equal(true)
    subject.answered([CALL], [{ kind: 'DUP', head: 3 }], 0)
    expect(situation.refused).to.equal(false)
  })

  it('knows that Redis refuses one partition while it takes the batches of others', () => {
    const { situation, subject } = ledger()
    const answers: Answer[] = [
      { kind: 'failed', why: 'Redis: OOM' },
      { kind: 'OK', head: 3 },
    ]
    subject.answered([CALL, { ...CALL, partition: 1 }], answers, 0)
    expect(situation.refused).to.equal(true)
  })

  it('tells what was published from here, by others, and dropped; a drop counts where it was published', () => {
    const { counted, subject } = ledger()
    subject.released([
      delivery(1, { published: true }),
      delivery(2, { published: true }),
      delivery(3, { ...dropped, published: true }),
      delivery(4),
      delivery(5, dropped),
      delivery(6, { event: null, published: true }),
    ])
    expect(counted).to.deep.equal([
      ['published', 2],
      ['no_acl', 1],
      ['deduplicated', 2],
    ])
  })

  it('measures the way of its own canaries', () => {
    const { clock, counted, situation, subject } = ledger()
    clock.advance(1500)
    subject.released([delivery(1, { event: null, canarySentAt: 1000 })])
    expect(counted).to.deep.equal([['lag', 0.5]])
    expect(situation.canarySentAt).to.equal(1000)
  })

  it('logs at most ten drops a minute', () => {
    const { clock, log, subject } = ledger()
    const drop = (): void => subject.released([delivery(1, { ...dropped, published: true })])
    for (let n = 0; n < 30; n++) drop()
    expect(log).to.have.length(10)
    clock.advance(60_000)
    drop()
    expect(log).to.have.length(11)
  })
})
