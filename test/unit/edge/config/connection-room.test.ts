import { expect } from 'chai'
import { connectionRoom } from '@wazo-websocketd/edge/config/connection-room'

describe('room for connections', () => {
  it('is what the limit says, with room for clients that are turned away, where the files suffice', () => {
    expect(connectionRoom(16_000, Infinity)).to.deep.equal({ connections: 16_000, sockets: 17_024 })
    expect(connectionRoom(16_000, 20_000)).to.deep.equal({ connections: 16_000, sockets: 17_024 })
  })

  it('leaves files for the rest of the worker, and sockets for clients that are turned away', () => {
    for (const files of [16, 64, 200, 256, 1_024, 4_096, 17_100]) {
      const { connections, sockets } = connectionRoom(16_000, files)
      expect(sockets, String(files)).to.be.at.most(files - Math.min(128, files / 2))
      expect(connections).to.be.within(1, sockets - Math.min(1, sockets * 0.05))
    }
  })

  it('is never more than the limit', () => {
    expect(connectionRoom(5, 1_024).connections).to.equal(5)
    expect(connectionRoom(1, 16).connections).to.equal(1)
  })
})
