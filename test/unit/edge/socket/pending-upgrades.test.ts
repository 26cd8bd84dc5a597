import { PendingUpgrades } from '@wazo-websocketd/edge/socket/pending-upgrades'
import { expect } from 'chai'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { FakeClock } from '../../../support/fakes/clock.js'

const LIMIT = 3

class FakeSocket extends EventEmitter {
  readonly remoteAddress = '127.0.0.1'
  readonly remotePort: number
  destroyed = false

  constructor(port: number) {
    super()
    this.remotePort = port
  }

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

describe('PendingUpgrades', () => {
  let clock: FakeClock
  let dropped: number
  let incomplete: PendingUpgrades

  beforeEach(() => {
    clock = new FakeClock()
    dropped = 0
    incomplete = new PendingUpgrades({
      limit: LIMIT,
      handshakeTime: 5_000,
      clock,
      dropped: () => dropped++,
    })
  })

  function add(port: number): FakeSocket {
    const socket = new FakeSocket(port)
    incomplete.add(socket as unknown as Socket)
    return socket
  }

  it('are dropped beyond the limit, the oldest first', async () => {
    const old = [1, 2, 3, 4, 5].map(add)
    await clock.pass(2_000)
    expect(old.map(({ destroyed }) => destroyed)).to.deep.equal([true, true, false, false, false])
    expect([dropped, incomplete.size]).to.deep.equal([2, LIMIT])
    await clock.pass(10_000)
    expect(dropped).to.equal(2)
  })

  it('have from one sweep to the next to send their request, however many come at once', async () => {
    const crowd = [1, 2, 3, 4, 5, 6].map(add)
    await clock.pass(1_999)
    expect(dropped).to.equal(0)
    for (const socket of crowd) incomplete.complete(socket)
    const next = [7, 8, 9, 10].map(add)
    await clock.pass(1)
    expect([dropped, incomplete.size]).to.deep.equal([0, 4])
    await clock.pass(1_000)
    expect(next.map(({ destroyed }) => destroyed)).to.deep.equal([true, false, false, false])
  })

  it('are no excess where the worker completes them in time at its pace', async () => {
    const crowd = Array.from({ length: 30 }, (_, port) => add(port))
    // Two a second: ten within the time for a handshake, beside the three that may always be there.
    for (const second of [0, 1]) {
      for (const socket of crowd.slice(2 * second, 2 * second + 2)) incomplete.complete(socket)
      await clock.pass(1_000)
    }
    expect([dropped, incomplete.size]).to.deep.equal([26 - 13, 13])
    const rest = crowd.filter(({ destroyed }, i) => i >= 4 && !destroyed)
    expect(rest.map(({ remotePort }) => remotePort)).to.deep.equal(rest.map((_, i) => 17 + i))
    // The pace falls to nothing: what is left is too much.
    await clock.pass(1_000)
    expect(incomplete.size).to.equal(LIMIT)
  })

  it('are forgotten once the request is there, or the connection gone', async () => {
    const [first, second] = [1, 2, 3, 4].map(add) as [FakeSocket, FakeSocket]
    incomplete.complete(first)
    second.destroy()
    expect(incomplete.size).to.equal(2)
    await clock.pass(3_000)
    expect([first.destroyed, dropped]).to.deep.equal([false, 0])
  })
})
