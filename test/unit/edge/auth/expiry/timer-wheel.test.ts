import { TimerWheel, WHEEL_LATE_MS_MAX } from '@wazo-websocketd/edge/auth/expiry/timer-wheel'
import type { Timer } from '@wazo-websocketd/shared/runtime/clock'
import { expect } from 'chai'
import * as fc from 'fast-check'
import { FakeClock } from '../../../../support/fakes/clock.js'

describe('timer wheel', () => {
  /** A wheel whose tasks need no target. */
  class Wheel extends TimerWheel {
    plan(at: number, task: () => void): Timer {
      return this.schedule(at, (run) => run(), task)
    }
  }

  function wheel(clock = new FakeClock()): { clock: FakeClock; wheel: Wheel } {
    return { clock, wheel: new Wheel({ clock, now: () => clock.now() }) }
  }

  it('runs each task once, never early and late by no more than it says, in order of their time', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(20_000), { maxLength: 50 }),
        fc.integer({ min: 1, max: 3_000 }),
        (delays, step) => {
          const { clock, wheel: timers } = wheel()
          const begun = clock.now()
          const ran: { due: number; at: number }[] = []
          for (const delay of delays)
            timers.plan(begun + delay, () => ran.push({ due: delay, at: clock.now() - begun }))
          for (let passed = 0; passed <= 20_000 + WHEEL_LATE_MS_MAX; passed += step) clock.advance(step)
          expect(ran.length).to.equal(delays.length)
          for (const { due, at } of ran) expect(at).to.be.within(due, due + WHEEL_LATE_MS_MAX)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('is no later for what follows a task that schedules another one', () => {
    const { clock, wheel: timers } = wheel()
    const begun = clock.now()
    const ran: number[] = []
    timers.plan(begun + 1_000, () => timers.plan(begun + 11_000, () => undefined))
    timers.plan(begun + 1_001, () => ran.push(clock.now() - begun))
    for (let passed = 0; passed < 2_000; passed += 10) clock.advance(10)
    expect(ran[0]).to.be.within(1_001, 1_001 + 150)
  })

  it('keeps one timer, and none without tasks', () => {
    const { clock, wheel: timers } = wheel()
    const first = timers.plan(clock.now() + 1_000, () => undefined)
    timers.plan(clock.now() + 5_000, () => undefined)
    expect([timers.size, clock.pending]).to.deep.equal([2, 1])
    first.cancel()
    first.cancel()
    expect([timers.size, clock.pending]).to.deep.equal([1, 1])
    clock.advance(6_000)
    expect([timers.size, clock.pending]).to.deep.equal([0, 0])
  })

  it('runs what is due together in the order in which it came, whatever was cancelled in between', () => {
    const { clock, wheel: timers } = wheel()
    const ran: number[] = []
    const at = clock.now() + 1_000
    const entries = [0, 1, 2, 3, 4].map((n) => timers.plan(at, () => ran.push(n)))
    for (const n of [0, 2, 4, 2]) entries[n]?.cancel()
    timers.plan(at, () => ran.push(5))
    clock.advance(5_000)
    entries[1]?.cancel()
    expect([ran, timers.size, clock.pending]).to.deep.equal([[1, 3, 5], 0, 0])
  })

  it('lets one task cancel another that is due with it', () => {
    const { clock, wheel: timers } = wheel()
    const ran: string[] = []
    const at = clock.now() + 1_000
    timers.plan(at, () => {
      ran.push('first')
      second.cancel()
    })
    const second = timers.plan(at, () => ran.push('second'))
    clock.advance(5_000)
    expect([ran, timers.size, clock.pending]).to.deep.equal([['first'], 0, 0])
  })

  it('moves with corrections of its clock', () => {
    const { clock, wheel: timers } = wheel()
    const ran: string[] = []
    timers.plan(clock.now() + 100_000, () => ran.push('after a jump'))
    clock.jump(300_000)
    clock.advance(WHEEL_LATE_MS_MAX)
    expect(ran).to.deep.equal(['after a jump'])
    timers.plan(clock.now() + 2_000, () => ran.push('after a jump back'))
    clock.jump(-300_000)
    clock.advance(10_000)
    expect(ran).to.have.length(1)
    clock.jump(300_000)
    clock.advance(WHEEL_LATE_MS_MAX)
    expect(ran).to.have.length(2)
  })

  it('runs in time what is scheduled in the moment of a correction backwards', () => {
    const { clock, wheel: timers } = wheel()
    timers.plan(clock.now() + 600_000, () => undefined)
    clock.jump(-300_000)
    const due = clock.now() + 2_000
    let ranAt = NaN
    timers.plan(due, () => (ranAt = clock.now()))
    for (let passed = 0; passed < 3_000; passed += 50) clock.advance(50)
    expect(ranAt).to.be.within(due, due + WHEEL_LATE_MS_MAX)
  })

  it('runs what a task schedules for the past, and not what a task cancels', () => {
    const { clock, wheel: timers } = wheel()
    const ran: string[] = []
    const at = clock.now() + 1_000
    timers.plan(at, () => {
      ran.push('first')
      doomed.cancel()
      timers.plan(at - 5_000, () => ran.push('late'))
    })
    const doomed = timers.plan(at, () => ran.push('cancelled'))
    clock.jump(4_000)
    clock.advance(2 * WHEEL_LATE_MS_MAX)
    expect(ran).to.deep.equal(['first', 'late'])
  })
})
