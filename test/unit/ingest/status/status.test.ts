import { expect } from 'chai'
import { pino } from 'pino'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { Complaints } from '@wazo-websocketd/ingest/status/complaints'
import { Status } from '@wazo-websocketd/ingest/status/status'
import { FakeClock } from '../../../support/fakes/clock.js'

function status() {
  const clock = new FakeClock()
  const lines: string[] = []
  const log = pino({}, { write: (line) => void lines.push((JSON.parse(line) as { msg: string }).msg) })
  const options = { canaryMs: 3000, stalledMs: 10_000, redisGraceMs: 5000 }
  const subject = new Status(options, clock, new Complaints(clock, log, 30_000))
  const at = (ms: number): string => {
    clock.advance(ms - clock.monotonic())
    return subject.state
  }
  return { clock, subject, lines, at }
}

/** Attached, and a canary of now came through. */
function running() {
  const made = status()
  made.subject.brokerConnected = true
  made.subject.attached('E' as Epoch, [7])
  made.subject.proven(0)
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
    subject.proven(2)
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
      subject.moved()
    }
  })

  it('is down after the grace when Redis is the reason, until something moves', () => {
    const { subject, lines, at } = running()
    subject.waits('redis', 'away')
    expect([5000, 5001].map(at)).to.deep.equal(['catching-up', 'down'])
    expect(lines).to.deep.equal(['away; trying again'])
    subject.moved()
    expect([at(5002), at(15_001)]).to.deep.equal(['catching-up', 'catching-up'])
    expect(at(15_002)).to.equal('down')
  })

  it('is down at once when there is no point in waiting', () => {
    const { subject, at } = running()
    subject.waits('fatal', 'refused')
    expect(at(1)).to.equal('down')
    subject.moved()
    expect(at(2)).to.equal('up')
  })

  it('counts the standstill, not the reason told last: what the broker does has its own time', () => {
    const { subject, at } = running()
    at(4000)
    subject.waits('redis', 'away')
    expect(at(6000)).to.equal('down')
    subject.waits('broker', 'no leader')
    expect([9000, 10_001].map(at)).to.deep.equal(['catching-up', 'down'])
  })

  it('is down when the broker has refused for 10 s what events need, although canaries come through', () => {
    const { subject, at } = running()
    subject.eventsRefused = true
    for (let ms = 1000; ms <= 10_000; ms += 1000) {
      expect(at(ms)).to.equal('up')
      subject.proven(ms)
      subject.eventsRefused = true
    }
    expect(at(10_001)).to.equal('down')
    subject.eventsRefused = false
    expect(at(10_002)).to.equal('up')
  })

  it('forgets at every attachment, and when one ends, what came through before', () => {
    const { subject, at } = running()
    subject.attached('E' as Epoch, [3])
    expect(at(1)).to.equal('catching-up')
    subject.proven(1)
    subject.detached()
    expect(at(2)).to.equal('catching-up')
  })
})
