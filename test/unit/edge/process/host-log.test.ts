import { HostLog } from '@wazo-websocketd/edge/process/host-log'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { fakeLog } from '../../../support/fakes/log.js'
import { FakeWorker } from '../../../support/fakes/worker.js'

const WORKERS = 8

function setUp() {
  const clock = new FakeClock()
  const { logger, entries } = fakeLog()
  const hostLog = new HostLog(clock, logger)
  const workers = Array.from({ length: WORKERS }, (_, n) => new FakeWorker(n + 1))
  for (const worker of workers) hostLog.watch(worker)
  /** Each worker says it, 100 ms after the one before. */
  const all = (level: string, line: string, fields: (n: number) => object = () => ({})) => {
    for (const [n, worker] of workers.entries()) {
      worker.say({ kind: 'line', level, line, fields: fields(n) })
      clock.advance(100)
    }
  }
  return { clock, entries, hostLog, workers, all, lines: () => entries.map(({ msg }) => msg) }
}

describe('the lines that the workers of a host say alike', () => {
  it('are written once: an error at once, its end with the figures of all', () => {
    const { clock, entries, lines, workers, all } = setUp()
    workers[0]!.say({ kind: 'line', level: 'error', line: 'Redis is away', fields: { role: 'commands' } })
    expect(lines()).to.deep.equal(['Redis is away'])
    all('error', 'Redis is away')
    clock.advance(20_000)
    all('info', 'Redis serves again', (n) => ({ seconds: n, clients: 2 }))
    clock.advance(2_000)
    expect(lines()).to.deep.equal(['Redis is away', 'Redis serves again'])
    expect(entries[0]).to.deep.include({ level: 50, role: 'commands' })
    expect(entries[1]).to.deep.include({ level: 30, seconds: 7, clients: 16, workers: WORKERS })
    expect(clock.pending).to.equal(0)
  })

  it('keep their places: figures in mappings are added up, lists joined, anything else is that of the first', () => {
    const { clock, entries, all } = setUp()
    all('warn', 'refused', (n) => ({
      epoch: `epoch ${n}`,
      refused: n === 0 ? { full: 1 } : { late: 1, full: 1 },
      partitions: [0, n % 3],
    }))
    clock.advance(2_000)
    expect(entries).to.have.length(1)
    expect(entries[0]).to.deep.include({ level: 40, epoch: 'epoch 0', refused: { full: 8, late: 7 } })
    expect(entries[0]).to.deep.include({ partitions: [0, 1, 2] })
  })

  it('are a line for each cause, but for errors', () => {
    const { clock, entries, all } = setUp()
    all('warn', 'continuity of events lost', (n) => ({ why: n < 3 ? 'a' : 'b', sessions: 1 }))
    all('error', 'Redis is away', (n) => ({ why: `reason ${n}` }))
    clock.advance(5_000)
    const told = entries.filter(({ level }) => level === 40)
    expect(told).to.have.length(2)
    expect(told[0]).to.deep.include({ why: 'a', sessions: 3, workers: 3 })
    expect(told[1]).to.deep.include({ why: 'b', sessions: WORKERS - 3, workers: WORKERS - 3 })
    expect(entries.filter(({ level }) => level === 50)).to.have.length(1)
  })

  it('are new lines the next time, and other lines are lines of their own', () => {
    const { clock, lines, workers, all } = setUp()
    all('error', 'Redis is away')
    workers[3]!.say({ kind: 'line', level: 'error', line: 'Redis refuses the password', fields: {} })
    clock.advance(5_000)
    all('error', 'Redis is away')
    expect(lines()).to.deep.equal(['Redis is away', 'Redis refuses the password', 'Redis is away'])
  })

  it('are written before the program ends, and are bounded in number', () => {
    const { clock, lines, hostLog, workers } = setUp()
    for (let n = 0; n < 150; n++)
      workers[0]!.say({ kind: 'line', level: 'info', line: `line ${n}`, fields: {} })
    expect(lines()).to.have.length(50)
    hostLog.close()
    expect(lines()).to.have.length(150)
    expect(clock.pending).to.equal(0)
  })

  it('are nothing else that workers say', () => {
    const { clock, lines, workers } = setUp()
    workers[0]!.ready().say({ kind: 'line', level: 'fatal', line: 'x', fields: {} })
    clock.advance(10_000)
    expect(lines()).to.deep.equal([])
  })
})
