import { expect } from 'chai'
import { Standstill } from '@wazo-websocketd/edge/bus/standstill'

const GRACE_MS = 30_000

/** What is due at the end of so many seconds, in each of which an ingest tells the heads. */
function after(seconds: number, heads: (second: number) => readonly number[]): boolean {
  const subject = new Standstill()
  for (let s = 0; s < seconds; s++) subject.heads(heads(s)[0]!, heads(s), s * 1000)
  return subject.due(GRACE_MS, seconds * 1000)
}

describe('Standstill', () => {
  it('is due when a partition has stood still for the grace while another one moves', () => {
    const heads = (s: number) => [Math.min(s, 10), s]
    expect(after(40, heads)).to.equal(false)
    expect(after(42, heads)).to.equal(true)
  })

  it('is due for one that Redis has never told of', () => {
    expect(after(60, (s) => [0, s])).to.equal(true)
  })

  it('is not due where all stand still, at whatever heads', () => {
    expect(after(100, (s) => [Math.min(s, 8), Math.min(s, 12)])).to.equal(false)
  })

  it('is not due right after an alarm, in which nothing moved', () => {
    expect(after(60, (s) => (s < 3 ? [10, 10 + s] : s < 59 ? [10, 12] : [10, 13]))).to.equal(false)
  })

  it('gives each partition some seconds, whatever the grace', () => {
    const subject = new Standstill()
    for (let s = 0; s < 4; s++) subject.heads(7, [7, s], s * 1000)
    expect(subject.due(0, 4000)).to.equal(false)
  })

  it('is not due while it moves, however far behind', () => {
    expect(after(100, (s) => [s, 50 * s])).to.equal(false)
  })

  it('begins anew when it moves again', () => {
    expect(after(60, (s) => [s < 40 ? 3 : s, s])).to.equal(false)
  })

  it('heeds the ingest that knows most', () => {
    expect(after(100, (s) => (s % 2 === 0 ? [s, s] : [s - 5, s - 1]))).to.equal(false)
  })

  it('is never due with a single partition', () => {
    expect(after(100, () => [7])).to.equal(false)
  })
})
