import type { Server, Socket } from 'node:net'

/** Node 20 takes 0 for no limit. */
const NO_ROOM = -1

/**
 * Bounds the open sockets of a worker. Node counts those that its server has accepted; those that another worker has
 * handed over take their room from them.
 */
export class SocketRoom {
  private readonly server: Pick<Server, 'maxConnections'>
  private readonly socketsMax: number
  private handedOver = 0

  /** @param socketsMax of the worker; further connections are closed as soon as they are accepted */
  constructor(server: Pick<Server, 'maxConnections'>, socketsMax: number) {
    this.server = server
    this.socketsMax = socketsMax
    this.count(0)
  }

  /** A socket that this server has not accepted takes room until it is closed. */
  occupy(socket: Pick<Socket, 'on'>): void {
    this.count(1)
    socket.on('close', this.vacated)
  }

  private readonly vacated = (): void => this.count(-1)

  private count(change: number): void {
    this.handedOver += change
    const left = this.socketsMax - this.handedOver
    this.server.maxConnections = left > 0 ? left : NO_ROOM
  }
}
