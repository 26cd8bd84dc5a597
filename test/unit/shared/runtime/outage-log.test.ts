import { OutageLog, type OutageLogOptions } from '@wazo-websocketd/shared/runtime/outage-log'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { fakeLog } from '../../../support/fakes/log.js'

function setUp(options: Partial<OutageLogOptions> = {}) {
  const clock = new FakeClock()
  const { logger, entries } = fakeLog()
  const outage = new OutageLog({ over: 'Redis serves again', clock, log: logger, ...options })
  const lines = () => entries.map(({ msg }) => msg)
  return { clock, entries, lines, outage }
}

describe('the log of an outage', () => {
  it('says when it begins and when it is over, with duration and clients, and nothing for each failure', () => {
    let clients = 7
    const { clock, entries, lines, outage } = setUp({ clients: () => clients })
    for (let i = 0; i < 20; i++) {
      outage.fails('commands', 'no answer', { fields: { role: 'commands' } })
      outage.fails('subscriber', 'no answer')
      clock.advance(2_000)
    }
    clients = 12
    outage.recovers('commands')
    clock.advance(10_000)
    expect(lines(), 'one part is still out').to.deep.equal(['no answer'])
    outage.recovers('subscriber')
    clock.advance(5_000)
    expect(lines()).to.deep.equal(['no answer', 'Redis serves again'])
    expect(entries[0]).to.deep.include({ level: 50, role: 'commands' })
    expect(entries[1]).to.deep.include({ level: 30, seconds: 50, clients: 5 })
    expect(clock.pending).to.equal(0)
  })

  it('takes what comes and goes for one outage', () => {
    const { clock, entries, lines, outage } = setUp()
    for (let i = 0; i < 5; i++) {
      outage.fails('a', 'gone')
      clock.advance(1_000)
      outage.recovers('a')
      clock.advance(4_000)
    }
    clock.advance(5_000)
    expect(lines()).to.deep.equal(['gone', 'Redis serves again'])
    expect(entries[1]!['seconds']).to.equal(21)
    outage.fails('a', 'gone')
    expect(lines()).to.have.length(3)
  })

  it('tells of one that comes back after its grace, before it has settled', () => {
    const { clock, lines, outage } = setUp({ graceMs: 5_000 })
    outage.fails('a', 'gone')
    clock.advance(4_500)
    outage.recovers('a')
    clock.advance(1_000)
    outage.fails('a', 'gone')
    clock.advance(5_000)
    expect(lines()).to.deep.equal(['gone'])
    clock.advance(60_000)
    expect(lines()).to.deep.equal(['gone', 'still: gone'])
    outage.recovers('a')
    clock.advance(5_000)
    expect(lines().at(-1)).to.equal('Redis serves again')
    expect(clock.pending).to.equal(0)
  })

  it('logs the first four different reasons', () => {
    const { lines, outage } = setUp()
    for (let i = 0; i < 100; i++) outage.fails('a', `reason ${i % 10}`)
    expect(lines()).to.deep.equal(['reason 0', 'reason 1', 'reason 2', 'reason 3'])
  })

  it('reminds after a minute of what lasts, then ever more seldom', () => {
    const { clock, entries, lines, outage } = setUp()
    outage.fails('a', 'gone', { lasting: 'gone: delete it' })
    clock.advance(59_000)
    expect(lines()).to.have.length(1)
    clock.advance(1_000)
    expect(entries[1]).to.deep.include({ msg: 'still: gone: delete it', seconds: 60 })
    clock.advance(86_400_000)
    expect(lines().length).to.be.within(24, 32)
  })

  it('counts a remark as an outage of its own only where none is open, and it does not last', () => {
    const { clock, lines, outage } = setUp()
    outage.remark('refused')
    clock.advance(4_000)
    outage.remark('refused')
    clock.advance(1_000)
    expect(lines()).to.deep.equal(['refused', 'Redis serves again'])
    outage.fails('a', 'gone')
    outage.remark('refused')
    clock.advance(50_000)
    expect(lines().slice(2)).to.deep.equal(['gone', 'refused'])
  })

  it('says nothing of what is over within the grace', () => {
    const { clock, lines, outage } = setUp({ graceMs: 5_000 })
    outage.fails('a', 'gone')
    clock.advance(4_900)
    outage.recovers('a')
    clock.advance(60_000)
    expect(lines()).to.deep.equal([])
    outage.fails('a', 'gone')
    clock.advance(4_900)
    outage.fails('a', 'refused')
    clock.advance(100)
    outage.recovers('a')
    clock.advance(5_000)
    expect(lines()).to.deep.equal(['refused', 'Redis serves again'])
  })

  it('leaves no timer when it is closed', () => {
    const { clock, lines, outage } = setUp()
    outage.fails('a', 'gone')
    outage.recovers('a')
    outage.close()
    expect([clock.pending, lines()]).to.deep.equal([0, ['gone']])
  })
})
