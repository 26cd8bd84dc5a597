import { expect } from 'chai'
import { Figures } from '../../bench/report/figures.js'
import { CRITERIA, judge, type Verdict } from '../../bench/report/targets.js'

function verdictOn(figures: Figures, what: RegExp): Verdict {
  return judge(figures).find((verdict) => what.test(verdict.what))!
}

describe('the targets of the bench', () => {
  it('are ten', () => {
    expect([...new Set(CRITERIA.map(({ target }) => target))]).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  it('are not measured when nothing was', () => {
    expect(new Set(judge(new Figures()).map(({ verdict }) => verdict))).to.deep.equal(
      new Set(['not measured']),
    )
  })

  for (const [ours, verdict] of [
    [11.4, 'met'],
    [11.6, 'missed'],
  ] as const)
    it(`single events at ${ours} us are ${verdict} where F0 needs 10`, () => {
      const figures = new Figures()
      for (const value of [10, 10, 90]) figures.add('singles', 'F0', { 'server us/delivery': value })
      figures.add('singles', 'ours', { 'server us/delivery': ours })
      const found = verdictOn(figures, /single events/)
      expect(found.verdict).to.equal(verdict)
      expect(found.value).to.be.closeTo(ours / 10, 1e-9)
    })

  it('count the ingest in where they have to', () => {
    const figures = new Figures()
    const cpu = (server: number, both: number) => ({
      'deliveries per server CPU second': server,
      'deliveries per server and feed CPU second': both,
    })
    figures.add('bursts', 'F0', cpu(100, 100))
    figures.add('bursts', 'socket.io', cpu(80, 60))
    figures.add('bursts', 'ours', cpu(900, 500))
    expect(verdictOn(figures, /bursts: deliveries/).value).to.equal(9)
    expect(verdictOn(figures, /Socket.IO's servers/).value).to.equal(15)
    expect(verdictOn(figures, /edge and ingest/)).to.include({ value: 5, verdict: 'missed' })
  })

  it('are invalid when what they rest on is', () => {
    const figures = new Figures()
    figures.add('latency beside relay', 'ours', { 'p50 ms': 1 })
    figures.add('latency beside relay', 'relay', { 'p50 ms': 1 })
    figures.fault('latency beside relay', 'relay', 'a load generator used 90 % of a core')
    expect(verdictOn(figures, /p50 .* relay/).verdict).to.equal('invalid')
  })

  it('look at the worst round where there is a bound', () => {
    const figures = new Figures()
    for (const lookups of [10, 10, 21]) figures.add('storm', 'ours', { lookups, 'tokens x workers': 20 })
    expect(verdictOn(figures, /look-ups/).verdict).to.equal('missed')
  })

  it('want queues, channels and bindings to be the same', () => {
    const figures = new Figures()
    figures.add('broker', '100 sessions', { queues: 3, channels: 5 })
    figures.add('broker', '10000 sessions', { queues: 3, channels: 5 })
    expect(verdictOn(figures, /queues/).verdict).to.equal('met')
    figures.add('broker', '20000 sessions', { queues: 3, channels: 6 })
    expect(verdictOn(figures, /queues/)).to.include({ value: 1, verdict: 'missed' })
  })
})
