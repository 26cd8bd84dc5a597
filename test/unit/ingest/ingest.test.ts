import { expect } from 'chai'
import { pino } from 'pino'
import { FailureLog } from '@wazo-websocketd/ingest/status/failure-log'
import { Ingest, type IngestParts } from '@wazo-websocketd/ingest/ingest'
import { Status } from '@wazo-websocketd/ingest/status/status'
import { FakeClock } from '../../support/fakes/clock.js'
import { settle } from '../../support/fakes/publish-loop.js'

const OPTIONS = { reconnectFirstMs: 100, reconnectMaxMs: 2000, streamReachMs: 1000, attemptTimeoutMs: 15_000 }
const STATUS = { canaryTimeoutMs: 3000, downAfterMs: 10_000, redisGraceMs: 5000 }

/** An ingest whose broker answers as `connect` does; nothing behind that is ever reached. */
function ingest(connect: IngestParts['connect']) {
  const clock = new FakeClock()
  const lines: string[] = []
  const log = pino({}, { write: (line) => void lines.push((JSON.parse(line) as { msg: string }).msg) })
  const subject = new Ingest(OPTIONS, {
    connect,
    describeError: (error: Error, lasting: boolean) => `${error.message}${lasting ? ', still' : ''}`,
    canary: { stop: () => undefined },
    announcer: { start: () => undefined, stop: () => undefined, statusChanged: () => undefined },
    metrics: { amqpConnected: () => undefined },
    status: new Status(STATUS, clock, new FailureLog(clock, log, 60_000)),
    clock,
    log,
  } as unknown as IngestParts)
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 500) {
      clock.advance(Math.min(left, 500))
      await settle()
    }
  }
  return { subject, lines, pass }
}

describe('Ingest', () => {
  it('logs a failure at once, and what to do about it after a minute if it lasts', async () => {
    const fault = { is: 'gone' }
    const { subject, lines, pass } = ingest(() => Promise.reject(new Error(fault.is)))
    const end = new AbortController()
    const running = subject.run(end.signal)
    await settle()
    expect(lines).to.deep.equal(['gone; trying again'])
    await pass(59_000)
    expect(lines).to.have.length(1)
    await pass(5000)
    expect(lines.slice(1)).to.deep.equal(['still: gone, still; trying again'])
    fault.is = 'odd'
    await pass(5000)
    expect(lines.slice(2)).to.deep.equal(['odd; trying again'])
    end.abort()
    await running
  })

  it('ends within 5 s although the broker does not answer', async () => {
    const { subject, pass } = ingest(() => new Promise(() => undefined))
    const end = new AbortController()
    const outcome = { ended: false }
    void subject.run(end.signal).then(() => (outcome.ended = true))
    await pass(60_000)
    end.abort()
    await pass(4500)
    expect(outcome.ended).to.equal(false)
    await pass(500)
    expect(outcome.ended).to.equal(true)
  })
})
