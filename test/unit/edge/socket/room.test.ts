import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import { SocketRoom } from '@wazo-websocketd/edge/socket/room'

describe('SocketRoom', () => {
  it('gives the server what sockets from other workers do not take, until those are closed', () => {
    const server = { maxConnections: 0 }
    const room = new SocketRoom(server, 3)
    const sockets = Array.from({ length: 4 }, () => new EventEmitter())
    const left = [server.maxConnections]
    for (const socket of sockets) {
      room.occupy(socket as never)
      left.push(server.maxConnections)
    }
    for (const socket of sockets) {
      socket.emit('close')
      left.push(server.maxConnections)
    }
    expect(left).to.deep.equal([3, 2, 1, -1, -1, -1, 1, 2, 3])
  })
})
