import { HeldMaximum } from '@wazo-websocketd/shared/runtime/held-maximum'
import { expect } from 'chai'

const HELD_MS = 60_000

describe('a held maximum', () => {
  it('is the largest value of the last while, however often it is read', () => {
    const held = new HeldMaximum(HELD_MS)
    expect(held.add(1, 0)).to.equal(1)
    expect(held.add(9, 5000)).to.equal(9)
    for (let at = 6000; at <= 65_000; at += 500) expect(held.add(0.5, at), `at ${at}`).to.equal(9)
    expect(held.add(0.5, 65_001)).to.equal(0.5)
  })

  it('has at least the last value, when it is read more rarely than values are held', () => {
    const held = new HeldMaximum(HELD_MS)
    held.add(9, 0)
    expect(held.add(2, 10 * HELD_MS)).to.equal(2)
  })

  it('keeps the larger one of two values that come at once', () => {
    const held = new HeldMaximum(HELD_MS)
    held.add(5, 0)
    expect(held.add(3, 10)).to.equal(5)
    expect(held.add(7, 20)).to.equal(7)
    expect(held.add(0, HELD_MS)).to.equal(7)
  })
})
