import { AuthClock } from '@wazo-websocketd/edge/auth/auth-clock'
import { asWorkerMessage } from '@wazo-websocketd/edge/cluster/messages'
import { expect } from 'chai'
import { FakeClock } from '../bus/fake-clock.js'

describe("wazo-auth's clock in a process", () => {
  /** As the primary hears it from a worker. */
  const told = (clock: AuthClock): unknown =>
    asWorkerMessage(JSON.parse(JSON.stringify({ kind: 'clock', aheadMs: clock.ahead() })))

  it('is the wall clock until wazo-auth has answered, and the primary is told nothing', () => {
    const wall = new FakeClock()
    const clock = new AuthClock(wall)
    expect(clock.now()).to.equal(wall.now())
    expect(told(clock)).to.equal(null)
  })

  it('is told by answers from then on, and follows no jump of the wall clock', () => {
    const wall = new FakeClock()
    const clock = new AuthClock(wall)
    const sent = wall.monotonic()
    clock.offset.sample(new Date(wall.now() + 300_000).toUTCString(), sent, sent)
    expect(clock.ahead()).to.be.within(299_000, 301_000)
    expect(told(clock)).to.deep.equal({ kind: 'clock', aheadMs: clock.ahead() })
    const before = clock.now()
    wall.jump(-60_000)
    expect(clock.now()).to.equal(before)
    expect(clock.ahead()).to.be.within(359_000, 361_000)
  })
})
