import { expect } from 'chai'
import { DeadlineError, sleep, within } from '@wazo-websocketd/shared/runtime/sleep'
import { FakeClock } from '../../../support/fakes/clock.js'
import { settle } from '../../../support/fakes/publish-loop.js'

describe('sleep', () => {
  it('ends after its time, or as soon as it is told to, and leaves nothing behind', async () => {
    const clock = new FakeClock()
    const end = new AbortController()
    const ended: string[] = []
    void sleep(clock, 500, end.signal).then(() => ended.push('short'))
    void sleep(clock, 1000, end.signal).then(() => ended.push('long'))
    clock.advance(500)
    await settle(1)
    expect(ended).to.deep.equal(['short'])
    end.abort()
    await sleep(clock, 1000, end.signal)
    expect([ended, clock.pending]).to.deep.equal([['short', 'long'], 0])
  })
})

describe('within', () => {
  const outcomeOf = (work: Promise<unknown>) => work.catch((error: unknown) => error)

  it('settles as the work does, and leaves no timer behind', async () => {
    const clock = new FakeClock()
    const fault = new Error('refused')
    expect(await within(clock, 1000, 'it', Promise.resolve(7))).to.equal(7)
    expect(await outcomeOf(within(clock, 1000, 'it', Promise.reject(fault)))).to.equal(fault)
    expect(clock.pending).to.equal(0)
  })

  it('rejects in time when the work does not come to an end, and says what it was', async () => {
    const clock = new FakeClock()
    const outcome = outcomeOf(within(clock, 1500, 'a call', new Promise(() => undefined)))
    clock.advance(1500)
    expect(await outcome)
      .to.be.instanceOf(DeadlineError)
      .with.property('message', 'no answer to a call in 1.5 s')
  })
})
