import { IncompleteUpgrades } from '@wazo-websocketd/edge/socket/incomplete-upgrades'
import { expect } from 'chai'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { FakeClock } from '../bus/fake-clock.js'

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

describe('connections without a complete request', () => {
  let clock: FakeClock
  let dropped: number
  let incomplete: IncompleteUpgrades

  beforeEach(() => {
    clock = new FakeClock()
    dropped = 0
    incomplete = new IncompleteUpgrades(LIMIT, clock, () => dropped++)
  })

  function add(port: number): FakeSocket {
    const socket = new FakeSocket(port)
    incomplete.add(socket as unknown as Socket)
    return socket
  }

  it('are dropped beyond the limit, the oldest first', async () => {
    const old = [1, 2, 3].map(add)
    await clock.pass(1_000)
    add(4)
    expect(old.map(({ destroyed }) => destroyed)).to.deep.equal([true, false, false])
    add(5)
    expect(old.map(({ destroyed }) => destroyed)).to.deep.equal([true, true, false])
    expect([dropped, incomplete.size]).to.deep.equal([2, LIMIT])
  })

  it('are left alone for a second, also when many clients come at once; then all that are too many go', async () => {
    const crowd = [1, 2, 3, 4, 5, 6].map(add)
    await clock.pass(999)
    add(7)
    expect([dropped, incomplete.size]).to.deep.equal([0, 7])
    await clock.pass(1)
    add(8)
    expect(crowd.map(({ destroyed }) => destroyed)).to.deep.equal([true, true, true, true, true, false])
    expect([dropped, incomplete.size]).to.deep.equal([5, LIMIT])
  })

  it('are forgotten once the request is there, or the connection gone', async () => {
    const [first, second] = [1, 2].map(add) as [FakeSocket, FakeSocket]
    incomplete.complete(first)
    second.destroy()
    expect(incomplete.size).to.equal(0)
    await clock.pass(1_000)
    for (const port of [3, 4, 5]) add(port)
    expect([first.destroyed, dropped]).to.deep.equal([false, 0])
  })
})
