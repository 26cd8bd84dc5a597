import { reconnectDelayMs } from '@wazo-websocketd/shared/redis/client'
import { expect } from 'chai'

describe('the delay before a reconnect to Redis', () => {
  it('grows and never exceeds a second', () => {
    expect([1, 2, 3, 4].map((attempt) => reconnectDelayMs(attempt, () => 0))).to.deep.equal([
      50, 100, 200, 400,
    ])
    for (let attempt = 1; attempt < 2000; attempt++)
      expect(reconnectDelayMs(attempt, () => 0.999)).to.be.below(1000)
  })
})
