import { RecentLosses } from '@wazo-websocketd/edge/admin/recent-losses'
import { expect } from 'chai'

describe('the last losses', () => {
  it('are told with time, partition, reason and sessions; the oldest are forgotten', () => {
    const losses = new RecentLosses()
    for (let n = 0; n < 12; n++) losses.add(n, 'a new epoch began', 7, Date.UTC(2026, 0, 1, 0, 0, n))
    expect(losses.list).to.have.length(10)
    expect(losses.list.at(-1)).to.deep.equal({
      at: '2026-01-01T00:00:11.000Z',
      partition: 11,
      why: 'a new epoch began',
      sessions: 7,
    })
    expect(losses.list[0]!.partition).to.equal(2)
  })
})
