import { expect } from 'chai'
import { Revocations } from '@wazo-websocketd/edge/session/revocations'
import { FakeClock } from '../../../support/fakes/clock.js'

describe('Revocations', () => {
  it('remembers for sixty seconds', () => {
    const clock = new FakeClock()
    const revocations = new Revocations(clock)
    revocations.add('a')
    clock.advance(59_999)
    expect(revocations.has('a')).to.equal(true)
    clock.advance(1)
    expect(revocations.has('a')).to.equal(false)
  })

  it('counts anew from a repetition', () => {
    const clock = new FakeClock()
    const revocations = new Revocations(clock)
    revocations.add('a')
    clock.advance(50_000)
    revocations.add('a')
    clock.advance(50_000)
    expect(revocations.has('a')).to.equal(true)
  })

  it('forgets what is over, and is bounded', () => {
    const clock = new FakeClock()
    const revocations = new Revocations(clock)
    revocations.add('old')
    clock.advance(60_000)
    revocations.add('new')
    expect(revocations.size).to.equal(1)
    for (let i = 0; i < 100_001; i++) revocations.add(String(i))
    expect(revocations.size).to.equal(100_000)
    expect([revocations.has('0'), revocations.has('100000')]).to.deep.equal([false, true])
  })
})
