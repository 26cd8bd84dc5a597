import { expect } from 'chai'
import { SERVICE_RESTART } from '@wazo-websocketd/shared/domain/close'
import { Drain } from '@wazo-websocketd/edge/drain/drain'
import { ConnectionTable } from '@wazo-websocketd/edge/session/connection-table'
import { FakeClock } from '../../../support/fakes/clock.js'
import { FakeConnection } from '../../../support/fakes/session.js'

const UNLIMITED = {
  connectionsPerWorker: 1e9,
  connectionsPerToken: 1e9,
  connectionsPerUser: null,
  connectionsPerIp: null,
}

function setUp(
  sessions: number,
  perToken = 1,
  options: { rate?: number; stubborn?: boolean; reluctant?: boolean } = {},
) {
  const clock = new FakeClock()
  const connections = new ConnectionTable(UNLIMITED, clock)
  const ends: { at: number; code: number; token: string }[] = []
  const start = clock.now()
  const join = (token: string) => {
    const { real } = new FakeConnection(token, null, ({ code }) => {
      ends.push({ at: clock.now() - start, code, token })
      if (options.stubborn !== true) connections.remove(real)
    })
    connections.add(real)
  }
  for (let i = 0; i < sessions; i++) join(`token-${Math.floor(i / perToken)}`)
  const arriving = new Set<number>()
  const drain = new Drain({
    arriving: () => arriving.size,
    clock,
    connections,
    closeGroup: (group, final) => {
      if (options.reluctant === true && !final) return 0
      const staying = group.filter(({ ending }) => !ending)
      for (const member of staying) member.end(SERVICE_RESTART)
      return staying.length
    },
    ratePerSecond: options.rate ?? 200,
    timeout: 30_000,
  })
  let done = false
  const run = () => void drain.run().then(() => (done = true))
  const settled = async () => {
    await Promise.resolve()
    return done
  }
  return { arriving, clock, connections, ends, drain, run, settled, join }
}

describe('Drain', () => {
  it('is done at once when there are no connections', async () => {
    const { run, settled } = setUp(0)
    run()
    expect(await settled()).to.equal(true)
  })

  it('waits for connections that another worker passes on, and closes them too, with 1001 when told so', async () => {
    for (const immediate of [false, true]) {
      const { arriving, clock, drain, ends, join, run, settled } = setUp(0)
      arriving.add(1)
      run()
      if (immediate) drain.closeRemaining()
      clock.advance(1_000)
      expect(await settled()).to.equal(false)
      join('token-of-another')
      arriving.clear()
      clock.advance(200)
      expect(ends.map(({ code }) => code)).to.deep.equal([immediate ? 1001 : 1012])
      expect(await settled()).to.equal(true)
    }
  })

  it('closes with 1012 at the configured rate', async () => {
    const { clock, ends, run, settled } = setUp(1_000)
    run()
    clock.advance(1_000)
    expect(ends.length).to.be.within(190, 220)
    clock.advance(4_200)
    expect(ends).to.have.length(1_000)
    expect(new Set(ends.map(({ code }) => code))).to.deep.equal(new Set([1012]))
    expect(await settled()).to.equal(true)
  })

  it('is fast enough to need four fifths of the timeout', () => {
    const { clock, ends, run } = setUp(24_000)
    run()
    clock.advance(12_000)
    expect(ends.length).to.be.within(11_500, 12_500)
    clock.advance(12_500)
    expect(ends).to.have.length(24_000)
    expect(ends.every(({ code }) => code === 1012)).to.equal(true)
  })

  it('counts what others let go for the pace', () => {
    const { clock, ends, drain, run } = setUp(1_000)
    run()
    for (let i = 0; i < 10; i++) {
      drain.account(10)
      clock.advance(100)
    }
    expect(ends.length).to.be.within(90, 120)
  })

  it('takes its share of the rate of the host', () => {
    const { clock, ends, run } = setUp(200, 1, { rate: 50 })
    run()
    clock.advance(1_000)
    expect(ends.length).to.be.within(45, 60)
  })

  it('closes all sessions of one token in the same step', () => {
    const { clock, ends, run } = setUp(1_000, 25)
    run()
    clock.advance(10_000)
    const times = new Map<string, Set<number>>()
    for (const { token, at } of ends) times.set(token, (times.get(token) ?? new Set()).add(at))
    expect([...times.values()].every(({ size }) => size === 1)).to.equal(true)
    expect(ends.filter(({ at }) => at <= 1_000).length).to.be.within(190, 250)
  })

  it('closes what is left with 1001 when asked, once', async () => {
    const { clock, ends, drain, run, settled } = setUp(1_000)
    run()
    clock.advance(1_000)
    const before = ends.length
    drain.closeRemaining()
    expect(ends).to.have.length(1_000)
    expect(ends.slice(before).every(({ code }) => code === 1001)).to.equal(true)
    clock.advance(50)
    expect(await settled()).to.equal(true)
  })

  it('closes what is left with 1001 at the deadline', () => {
    const { clock, ends, run, join } = setUp(6_000, 1, { stubborn: true })
    run()
    clock.advance(29_990)
    join('late')
    clock.advance(60)
    expect(ends.at(-1)).to.include({ code: 1001, token: 'late' })
    expect(ends.filter(({ code }) => code === 1001)).to.have.length(1)
  })

  it('also closes sessions that come while it runs', () => {
    const { clock, ends, run, join } = setUp(100)
    run()
    clock.advance(300)
    join('late')
    clock.advance(1_000)
    expect(ends.at(-1)).to.include({ code: 1012, token: 'late' })
  })

  it('says when it is time for those that wait: at four fifths of the timeout', () => {
    const { clock, ends, run } = setUp(10, 1, { reluctant: true })
    run()
    clock.advance(23_900)
    expect(ends).to.have.length(0)
    clock.advance(200)
    expect(ends.map(({ code }) => code)).to.deep.equal(ends.map(() => 1012))
    expect(ends).to.have.length(10)
  })

  it('does not wait for ever for sockets that do not close', async () => {
    const { clock, ends, run, settled } = setUp(10, 1, { stubborn: true })
    run()
    clock.advance(31_400)
    expect(ends).to.have.length(10)
    expect(await settled()).to.equal(false)
    clock.advance(200)
    expect(await settled()).to.equal(true)
  })
})
