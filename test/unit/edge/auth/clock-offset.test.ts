import { ClockOffset } from '@wazo-websocketd/edge/auth/clock-offset'
import { expect } from 'chai'
import * as fc from 'fast-check'

const EPOCH = Date.UTC(2026, 0, 1)

/** The `Date` header of an answer stamped at `time`. */
function header(time: number): string {
  return new Date(time).toUTCString()
}

describe('clock of wazo-auth', () => {
  it('is the wall clock before any answer', () => {
    expect(new ClockOffset().authTime(5, EPOCH)).to.equal(EPOCH)
  })

  it('is known to about half a second after one answer, whatever the wall clock says', () => {
    const offset = new ClockOffset()
    offset.sample(header(EPOCH + 700), 1_000, 1_010)
    expect(offset.authTime(1_010, 0)).to.be.within(EPOCH, EPOCH + 1_000)
    expect(offset.authTime(61_010, 0) - offset.authTime(1_010, 0)).to.equal(60_000)
  })

  it('is uncertain by half a second at most: before any answer, after a single one, and a day after the last', () => {
    const offset = new ClockOffset()
    expect(offset.uncertainty(0)).to.equal(500)
    offset.sample(header(EPOCH), 0, 2_000)
    expect(offset.uncertainty(2_000)).to.equal(500)
    for (let i = 2; i < 20; i++) offset.sample(header(EPOCH + i * 1_050), i * 1_050, i * 1_050 + 2)
    const soon = offset.uncertainty(20_000)
    expect(offset.uncertainty(20_000 + 60_000)).to.be.within(soon + 10, soon + 15)
    expect(offset.uncertainty(86_400_000)).to.equal(500)
  })

  it('ignores answers without a readable date', () => {
    const offset = new ClockOffset()
    offset.sample(undefined, 0, 1)
    offset.sample('yesterday', 0, 1)
    expect(offset.authTime(0, 42)).to.equal(42)
  })

  it('is narrowed down by more answers, and never leaves the truth by more than they allow', () => {
    const request = fc.record({ pause: fc.nat(20_000), there: fc.nat(40), back: fc.nat(40) })
    fc.assert(
      fc.property(
        fc.integer({ min: -1e6, max: 1e6 }),
        fc.array(request, { minLength: 1, maxLength: 40 }),
        (skew, requests) => {
          const offset = new ClockOffset()
          let now = 1_000
          const truth = (at: number): number => EPOCH + skew + at
          for (const { pause, there, back } of requests) {
            now += pause
            const sent = now
            const stamped = sent + there
            now = stamped + back
            offset.sample(header(truth(stamped)), sent, now)
            const wrongBy = Math.abs(offset.authTime(now, 0) - truth(now))
            expect(wrongBy).to.be.at.most(560)
            // 500 is as far as it goes: a slow answer alone would be less certain.
            expect(wrongBy).to.be.at.most(Math.max(offset.uncertainty(now), 500) + 40)
          }
        },
      ),
    )
  })

  it('is known to half a second also when every answer is slow, if the wall clock is right', () => {
    const request = fc.record({ pause: fc.nat(20_000), there: fc.nat(3_000), back: fc.nat(3_000) })
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 20 }), (requests) => {
        const offset = new ClockOffset()
        let now = 1_000
        for (const { pause, there, back } of requests) {
          const sent = now + pause
          const stamped = sent + there
          now = stamped + back
          offset.sample(header(EPOCH + stamped), sent, now)
          const wrongBy = Math.abs(offset.authTime(now, EPOCH + now) - EPOCH - now)
          // A millisecond and what two clocks part by since the first answer.
          expect(wrongBy).to.be.at.most(501 + now * 0.0002)
        }
      }),
    )
  })

  it('goes by slow answers alone when they contradict the wall clock', () => {
    const offset = new ClockOffset()
    offset.sample(header(EPOCH), 0, 3_000)
    // Between EPOCH and EPOCH + 4 s when the answer came.
    for (const wall of [0, EPOCH - 1, EPOCH + 4_001, EPOCH + 300_000])
      expect(offset.authTime(3_000, wall)).to.equal(EPOCH + 2_000)
    for (const wall of [EPOCH + 500, EPOCH + 1_234, EPOCH + 3_500])
      expect(offset.authTime(3_000, wall)).to.equal(wall)
    expect(offset.authTime(3_000, EPOCH)).to.equal(EPOCH + 500)
    expect(offset.authTime(3_000, EPOCH + 4_000)).to.equal(EPOCH + 3_500)
  })

  it('gets well below the truncation with answers spread over the second', () => {
    const offset = new ClockOffset()
    for (let i = 0; i < 20; i++) offset.sample(header(EPOCH + i * 1_050), i * 1_050, i * 1_050 + 2)
    expect(Math.abs(offset.authTime(20_000, 0) - EPOCH - 20_000)).to.be.below(40)
    expect(offset.uncertainty(20_000)).to.be.within(Math.abs(offset.authTime(20_000, 0) - EPOCH - 20_000), 40)
  })

  it('does not believe a single answer that contradicts the others', () => {
    const offset = new ClockOffset()
    offset.sample(header(EPOCH), 0, 10)
    offset.sample(header(EPOCH + 3_600_000), 1_000, 1_010)
    offset.sample(header(EPOCH + 2_000), 2_000, 2_010)
    expect(offset.authTime(2_010, 0)).to.be.within(EPOCH + 1_000, EPOCH + 3_100)
  })

  it('follows a clock that has been set', () => {
    const offset = new ClockOffset()
    offset.sample(header(EPOCH), 0, 10)
    offset.sample(header(EPOCH + 301_000), 1_000, 1_010)
    offset.sample(header(EPOCH + 302_000), 2_000, 2_010)
    expect(offset.authTime(2_010, 0)).to.be.within(EPOCH + 302_000, EPOCH + 303_100)
  })
})
