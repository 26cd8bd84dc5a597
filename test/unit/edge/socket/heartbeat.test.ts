import { expect } from 'chai'
import { Heartbeat, type Pingable } from '@wazo-websocketd/edge/socket/heartbeat'
import { FakeClock } from '../../../support/fakes/clock.js'

class FakePeer implements Pingable {
  heartbeatSlot: number | null = null
  pendingPingTick: number | null = null
  paused = false
  pings: number[] = []
  timeouts: number[] = []
  answers = true
  private readonly clock: FakeClock
  private readonly heartbeat: Heartbeat

  constructor(clock: FakeClock, heartbeat: Heartbeat) {
    this.clock = clock
    this.heartbeat = heartbeat
  }
  ping(): void {
    this.pings.push(this.clock.now())
    if (this.answers) this.heartbeat.answered(this)
  }
  timedOut(): void {
    this.timeouts.push(this.clock.now())
  }
}

function setUp(pingInterval = 30_000, pongTime = 20_000) {
  const clock = new FakeClock()
  const heartbeat = new Heartbeat({ clock, pingInterval, pongTime })
  const peer = () => {
    const one = new FakePeer(clock, heartbeat)
    heartbeat.add(one)
    return one
  }
  return { clock, heartbeat, peer, start: clock.now() }
}

describe('Heartbeat', () => {
  it('pings every peer once per interval, spread over it, with one timer', () => {
    const { clock, peer, start } = setUp()
    const peers = Array.from({ length: 300 }, peer)
    expect(clock.pending).to.equal(1)
    clock.advance(30_000)
    for (const one of peers) expect(one.pings).to.have.length(1)
    const bySecond = new Set(peers.map(({ pings }) => pings[0]! - start))
    expect(bySecond.size).to.equal(30)
    clock.advance(30_000)
    for (const one of peers) expect(one.pings[1]! - one.pings[0]!).to.equal(30_000)
    expect(peers.flatMap(({ timeouts }) => timeouts)).to.deep.equal([])
  })

  it('times a peer out that does not answer within the time allowed', () => {
    const { clock, peer } = setUp()
    const one = peer()
    one.answers = false
    clock.advance(60_000)
    expect(one.timeouts).to.deep.equal([one.pings[0]! + 20_000])
  })

  it('keeps a peer that answers late but in time', () => {
    const { clock, heartbeat, peer } = setUp()
    const one = peer()
    one.answers = false
    clock.advance(30_000)
    clock.advance(19_000)
    heartbeat.answered(one)
    one.answers = true
    clock.advance(60_000)
    expect(one.timeouts).to.deep.equal([])
  })

  it('counts from the first ping without an answer when pings are more frequent than the time allowed', () => {
    const { clock, peer } = setUp(5_000, 20_000)
    const one = peer()
    clock.advance(5_000)
    one.answers = false
    clock.advance(60_000)
    expect(one.timeouts[0]).to.equal(one.pings[1]! + 20_000)
  })

  it('does not time out a peer that the server does not read', () => {
    const { clock, peer } = setUp()
    const one = peer()
    one.answers = false
    one.paused = true
    clock.advance(120_000)
    expect(one.timeouts).to.deep.equal([])
    one.paused = false
    clock.advance(30_000)
    expect(one.timeouts).to.have.length(1)
  })

  it('forgets a peer, and stops its timer after the last one', () => {
    const { clock, heartbeat, peer } = setUp()
    const [one, other] = [peer(), peer()]
    one.answers = false
    clock.advance(30_000)
    heartbeat.remove(one)
    heartbeat.remove(one)
    clock.advance(30_000)
    expect(one.timeouts).to.deep.equal([])
    expect(one.pings).to.have.length(1)
    heartbeat.remove(other)
    expect(clock.pending).to.equal(0)
    heartbeat.add(one)
    heartbeat.add(one)
    clock.advance(30_000)
    expect(one.pings).to.have.length(2)
  })

  it('keeps to an interval below a second', () => {
    const { clock, peer } = setUp(200, 400)
    const one = peer()
    clock.advance(1_000)
    expect(one.pings).to.have.length(5)
  })
})
