import { expect } from 'chai'
import { paced } from '../../bench/load/pace.js'

describe('the pace of the bench', () => {
  it('sends each event once, in batches that do not come early', async () => {
    const sent: [number, number][] = []
    const from = performance.now()
    const late = await paced({ events: 5, batch: 2, perSecond: 100 }, (n) =>
      sent.push([n, performance.now() - from]),
    )
    expect(sent.map(([n]) => n)).to.deep.equal([0, 1, 2, 3, 4])
    expect(late).to.have.length(3)
    expect(sent[2]![1]).to.be.at.least(20)
    expect(sent[4]![1]).to.be.at.least(40)
  })

  it('makes up for what is late, and tells of it', async () => {
    const from = performance.now()
    const late = await paced({ events: 10, batch: 1, perSecond: 1_000 }, (n) => {
      if (n === 0) while (performance.now() - from < 50);
    })
    expect(late.filter((ms) => ms > 30).length).to.be.at.least(5)
  })
})
