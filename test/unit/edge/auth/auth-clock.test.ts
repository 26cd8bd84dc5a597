import { AuthClock } from '@wazo-websocketd/edge/auth/auth-clock'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'

describe("wazo-auth's clock in a process", () => {
  it('is the wall clock until wazo-auth has answered: due jobs are not put off', () => {
    const wall = new FakeClock()
    const clock = new AuthClock(wall)
    expect(clock.now()).to.equal(wall.now())
  })

  it('is told by answers from then on, and follows no jump of the wall clock', () => {
    const wall = new FakeClock()
    const clock = new AuthClock(wall)
    const sent = wall.monotonic()
    clock.offset.sample(new Date(wall.now() + 300_000).toUTCString(), sent, sent)
    expect(clock.now() - wall.now()).to.be.within(299_000, 301_000)
    const before = clock.now()
    wall.jump(-60_000)
    expect(clock.now()).to.equal(before)
    expect(clock.now() - wall.now()).to.be.within(359_000, 361_000)
  })
})
