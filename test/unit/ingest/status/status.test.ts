import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { expect } from 'chai'
import { pino } from 'pino'
import { FailureLog } from '@wazo-websocketd/ingest/status/failure-log'
import { Status } from '@wazo-websocketd/ingest/status/status'
import { FakeClock } from '../../../support/fakes/clock.js'

function status() {
  const clock = new FakeClock(0)
  const lines: string[] = []
  const log = pino({}, { write: (line) => void lines.push((JSON.parse(line) as { msg: string }).msg) })
  const options = { canaryTimeoutMs: 3000, downAfterMs: 10_000, redisGraceMs: 5000 }
  const subject = new Status(options, clock, new FailureLog(clock, log, 30_000))
  const at = (ms: number): string => {
    clock.advance(ms - clock.monotonic())
    return subject.state
  }
  return { clock, subject, lines, at }
}

/** The status of an attached ingest, of which a canary of now came through. */
function running() {
  const made = status()
  made.subject.brokerConnected = true
  made.subject.attached('E' as Epoch, [7])
  made.subject.caughtUp(0)
  return made
}

describe('Status', () => {
  it('is down without the broker, and catching up once connected until a canary came through', () => {
    const { subject, at } = status()
    expect(at(0)).to.equal('down')
    subject.brokerConnected = true
    expect(at(1)).to.equal('catching-up')
    subject.attached('E' as Epoch, [7])
    expect([subject.epoch, subject.heads, at(2)]).to.deep.equal(['E', [7], 'catching-up'])
    subject.caughtUp(2)
    expect(at(3)).to.equal('up')
    subject.brokerConnected = false
    expect(at(4)).to.equal('down')
  })

  it('is up for 3 s from the sending of an own canary, and down when nothing has moved for 10 s', () => {
    const { at } = running()
    expect([3000, 3001, 10_000, 10_001].map(at)).to.deep.equal(['up', 'catching-up', 'catching-up', 'down'])
  })

  it('is catching up for as long as something moves', () => {
    const { subject, at } = running()
    for (let ms = 8000; ms < 60_000; ms += 8000) {
      expect(at(ms)).to.equal('catching-up')
      subject.progressed()
    }
  })

  it('is down after the grace when Redis is the reason, until something moves', () => {
    const { subject, lines, at } = running()
    subject.failed('redis', 'away')
    expect([5000, 5001].map(at)).to.deep.equal(['catching-up', 'down'])
    expect(lines).to.deep.equal(['away; trying again'])
    subject.progressed()
    expect([at(5002), at(15_001)]).to.deep.equal(['catching-up', 'catching-up'])
    expect(at(15_002)).to.equal('down')
    subject.caughtUp(16_000)
    at(22_000)
    expect(lines).to.deep.equal(['away; trying again', 'Redis serves again'])
  })

  it('is down at once when there is no point in waiting', () => {
    const { subject, at } = running()
    subject.failed('fatal', 'refused')
    expect(at(1)).to.equal('down')
    subject.progressed()
    expect(at(2)).to.equal('up')
  })

  it('counts the time without progress by the grace for the cause of the last failure', () => {
    const { subject, at } = running()
    at(4000)
    subject.failed('redis', 'away')
    expect(at(6000)).to.equal('down')
    subject.failed('broker', 'no leader')
    expect([9000, 10_001].map(at)).to.deep.equal(['catching-up', 'down'])
  })

  it('is down when the broker has refused exchanges or bindings for 10 s, although canaries come through', () => {
    const { subject, at } = running()
    subject.topologyRefused = true
    for (let ms = 1000; ms <= 10_000; ms += 1000) {
      expect(at(ms)).to.equal('up')
      subject.caughtUp(ms)
      subject.topologyRefused = true
    }
    expect(at(10_001)).to.equal('down')
    subject.topologyRefused = false
    expect(at(10_002)).to.equal('up')
  })

  it('names what keeps it from being ready, and the backlog only when nothing else does', () => {
    const { subject } = status()
    expect(subject.notReadyReasons(false)).to.deep.equal(['connection to RabbitMQ', 'connection to Redis'])
    subject.brokerConnected = true
    subject.passive = true
    expect(subject.notReadyReasons(true)).to.deep.equal([
      'another stream, partition count or form is in force',
    ])
    subject.passive = false
    expect(subject.notReadyReasons(true)).to.deep.equal(['the backlog of the stream'])
    subject.caughtUp(0)
    expect(subject.notReadyReasons(true)).to.deep.equal([])
  })

  it('forgets at every attachment, and when one ends, what came through before', () => {
    const { subject, at } = running()
    subject.attached('E' as Epoch, [3])
    expect(at(1)).to.equal('catching-up')
    subject.caughtUp(1)
    subject.detached()
    expect(at(2)).to.equal('catching-up')
  })
})
