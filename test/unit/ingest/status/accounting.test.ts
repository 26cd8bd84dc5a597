import { expect } from 'chai'
import { pino } from 'pino'
import { FailureLog } from '@wazo-websocketd/ingest/status/failure-log'
import { Accounting } from '@wazo-websocketd/ingest/status/accounting'
import { ingestMetrics, type IngestMetrics } from '@wazo-websocketd/ingest/metrics'
import type { PublishAnswer, PublishCall } from '@wazo-websocketd/ingest/publish/sequencer'
import { Status } from '@wazo-websocketd/ingest/status/status'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { FakeClock } from '../../../support/fakes/clock.js'
import { delivery } from '../../../support/fakes/delivery.js'

function accounting() {
  const clock = new FakeClock(0)
  const log: string[] = []
  const counted: unknown[] = []
  const answers: string[] = []
  const metrics: IngestMetrics = {
    ...ingestMetrics(new Metrics({ defaults: false })),
    messages: (result, count) => counted.push([result, count]),
    published: (events, seconds) => counted.push(['batch', events, seconds]),
    answered: (answer) => answers.push(answer),
    publishFailed: () => counted.push('failed'),
    lag: (seconds) => counted.push(['lag', seconds]),
  }
  const logger = pino({}, { write: (line) => void log.push(line) })
  const options = { canaryTimeoutMs: 3000, downAfterMs: 10_000, redisGraceMs: 5000 }
  const status = new Status(options, clock, new FailureLog(clock, logger, 30_000))
  status.brokerConnected = true
  const subject = new Accounting({ clock, log: logger, metrics, status })
  return { clock, status, log, counted, answers, subject }
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

describe('Accounting', () => {
  it('counts the events of a batch that went out, and nothing of one that did not', () => {
    const { counted, answers, subject } = accounting()
    const others: PublishAnswer[] = [
      { kind: 'DUP', head: 3 },
      { kind: 'lost', why: 'away' },
      { kind: 'EMPTY' },
      { kind: 'CORRUPT' },
    ]
    for (const answer of others) subject.answered(CALL, answer, 0.5)
    expect(counted).to.deep.equal([])
    subject.answered(CALL, { kind: 'OK', head: 3 }, 0.5)
    expect(counted).to.deep.equal([['batch', 2, 0.5]])
    expect(answers).to.deep.equal(['DUP', 'lost', 'EMPTY', 'CORRUPT', 'OK'])
  })

  it('is down at once while Redis refuses a batch, and after the grace while it does not answer; logs why', () => {
    const { clock, counted, status, log, subject } = accounting()
    subject.answered(CALL, { kind: 'failed', why: 'Redis: WRONGTYPE' }, 0)
    expect([status.state, counted]).to.deep.equal(['down', ['failed']])
    expect(log.join('')).to.contain('a batch of partition 0 was refused by Redis: WRONGTYPE')
    subject.released([delivery(1)])
    subject.answered(CALL, { kind: 'lost', why: 'Redis: READONLY' }, 0)
    expect(log.join('')).to.contain('Redis: READONLY')
    expect(status.state).to.equal('catching-up')
    clock.advance(5001)
    expect(status.state).to.equal('down')
  })

  it('distinguishes what was published from here, by others, and dropped; a drop counts where it was published', () => {
    const { counted, subject } = accounting()
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

  it('measures the lag by its own canaries', () => {
    const { clock, counted, status, subject } = accounting()
    clock.advance(1500)
    subject.released([delivery(1, { event: null, canarySentAt: 1000 })])
    expect(counted).to.deep.equal([['lag', 0.5]])
    expect(status.state).to.equal('up')
    clock.advance(2501)
    expect(status.state).to.equal('catching-up')
  })

  it('logs at most ten drops a minute', () => {
    const { clock, log, subject } = accounting()
    const drop = (): void => subject.released([delivery(1, { ...dropped, published: true })])
    for (let n = 0; n < 30; n++) drop()
    expect(log).to.have.length(10)
    clock.advance(60_000)
    drop()
    expect(log).to.have.length(11)
  })
})
