import { RateLimitedLog } from '@wazo-websocketd/shared/runtime/rate-limited-log'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { fakeLog } from '../../../support/fakes/log.js'

function setUp() {
  const clock = new FakeClock()
  const { logger, entries } = fakeLog()
  return { clock, entries, log: new RateLimitedLog(logger, clock) }
}

describe('the rate-limited log', () => {
  it('writes five of a kind and then their number', () => {
    const { clock, entries, log } = setUp()
    for (let i = 0; i < 1000; i++) log.warn('poison', { i }, 'dropped')
    expect(entries.map(({ msg }) => msg)).to.deep.equal(Array.from({ length: 5 }, () => 'dropped'))
    clock.advance(10_000)
    expect(entries.at(-1)).to.deep.include({
      msg: '995 similar messages suppressed',
      kind: 'poison',
      suppressed: 995,
    })
    expect(entries).to.have.length(6)
  })

  it('counts each kind for itself', () => {
    const { entries, log } = setUp()
    for (let i = 0; i < 10; i++) {
      log.warn('a', {}, 'a')
      log.error('b', {}, 'b')
    }
    expect(entries.filter(({ msg }) => msg === 'a')).to.have.length(5)
    expect(entries.filter(({ level }) => level === 50)).to.have.length(5)
  })

  it('writes again in the next window, and says nothing where nothing was suppressed', () => {
    const { clock, entries, log } = setUp()
    log.warn('a', {}, 'first')
    clock.advance(10_000)
    log.warn('a', {}, 'second')
    expect(entries.map(({ msg }) => msg)).to.deep.equal(['first', 'second'])
  })

  it('keeps no more than a hundred kinds', () => {
    const { clock, entries, log } = setUp()
    for (let i = 0; i < 10_000; i++) log.warn(`kind ${i}`, {}, 'x')
    expect(entries).to.have.length(100 + 5)
    expect(clock.pending).to.equal(101)
  })

  it('reports what it suppressed when it is closed, and leaves no timer', () => {
    const { clock, entries, log } = setUp()
    for (let i = 0; i < 7; i++) log.warn('a', {}, 'x')
    log.close()
    expect(entries.at(-1)?.msg).to.equal('2 similar messages suppressed')
    expect(clock.pending).to.equal(0)
  })
})
