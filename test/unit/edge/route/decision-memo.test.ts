import { DecisionMemo } from '@wazo-websocketd/edge/route/decision-memo'
import { expect } from 'chai'

describe('DecisionMemo', () => {
  it('remembers yes and no', () => {
    const memo = new DecisionMemo()
    memo.set('a', true)
    memo.set('b', false)
    expect(memo.get('a')).to.equal(true)
    expect(memo.get('b')).to.equal(false)
    expect(memo.get('c')).to.equal(undefined)
  })

  it('stays within its room', () => {
    const memo = new DecisionMemo(10_000)
    for (let i = 0; i < 100_000; i++) memo.set(`key ${i}`, true)
    expect(memo.size).to.be.within(50, Math.floor(10_000 / 64))
    expect(memo.get('key 99999')).to.equal(true)
    expect(memo.get('key 0')).to.equal(undefined)
  })

  it('keeps what is asked for again and again', () => {
    const memo = new DecisionMemo(10_000)
    memo.set('wanted', false)
    for (let i = 0; i < 10_000; i++) {
      memo.set(`key ${i}`, true)
      if (i % 20 === 0) expect(memo.get('wanted'), `after ${i}`).to.equal(false)
    }
  })

  it('does not keep a key that takes half of its room', () => {
    const memo = new DecisionMemo(10_000)
    memo.set('small', true)
    memo.set('x'.repeat(5_000), true)
    expect(memo.get('x'.repeat(5_000))).to.equal(undefined)
    expect(memo.get('small')).to.equal(true)
  })
})
