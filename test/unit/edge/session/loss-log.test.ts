import { LossLog } from '@wazo-websocketd/edge/session/loss-log'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { fakeLog } from '../../../support/fakes/log.js'

describe('the log of losses', () => {
  it('has one line for all partitions that one incident concerns', () => {
    const clock = new FakeClock()
    const { logger, entries } = fakeLog()
    const losses = new LossLog(clock, logger)
    for (const partition of [0, 1, 2]) losses.add(partition, 'all ingests are down', 10)
    losses.add(1, 'all ingests are down', 1)
    losses.add(3, 'log trimmed', 2)
    clock.advance(200)
    expect(entries.map(({ why, partitions, sessions }) => ({ why, partitions, sessions }))).to.deep.equal([
      { why: 'all ingests are down', partitions: [0, 1, 2], sessions: 31 },
      { why: 'log trimmed', partitions: [3], sessions: 2 },
    ])
    losses.add(0, 'log trimmed', 1)
    clock.advance(200)
    expect(entries).to.have.length(3)
    expect(clock.pending).to.equal(0)
  })
})
