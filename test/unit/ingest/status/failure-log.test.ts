import { expect } from 'chai'
import { pino } from 'pino'
import { FailureLog } from '@wazo-websocketd/ingest/status/failure-log'
import { FakeClock } from '../../../support/fakes/clock.js'

function failureLog() {
  const clock = new FakeClock()
  const lines: string[] = []
  const log = pino({}, { write: (line) => void lines.push((JSON.parse(line) as { msg: string }).msg) })
  return { clock, lines, subject: new FailureLog(clock, log, 30_000) }
}

describe('FailureLog', () => {
  it('logs a failure at once, and in other words every 30 s as long as it lasts', () => {
    const { clock, lines, subject } = failureLog()
    for (let s = 0; s < 61; s++) {
      subject.report('gone', 'gone, delete that queue')
      clock.advance(1000)
    }
    const lasting = 'gone, delete that queue; trying again'
    expect(lines).to.deep.equal(['gone; trying again', lasting, lasting])
  })

  it('logs two failures that take turns as seldom as each alone', () => {
    const { clock, lines, subject } = failureLog()
    for (let s = 0; s < 30; s++) {
      subject.report(s % 2 === 0 ? 'a' : 'b')
      clock.advance(1000)
    }
    expect(lines).to.have.length(2)
  })

  it('takes a failure that was not reported for a while for new', () => {
    const { clock, lines, subject } = failureLog()
    subject.report('gone', 'still')
    clock.advance(60_000)
    subject.report('gone', 'still')
    expect(lines).to.deep.equal(['gone; trying again', 'gone; trying again'])
  })

  it('remembers a bounded number of texts, the latest', () => {
    const { lines, subject } = failureLog()
    for (let n = 0; n <= 100; n++) subject.report(`t${n}`)
    subject.report('t1')
    subject.report('t0')
    expect(lines.slice(101)).to.deep.equal(['t0; trying again'])
  })
})
