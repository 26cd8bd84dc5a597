import type { DialectName } from '../load/dialect.js'
import type { EventKind } from '../load/event.js'
import type { Pace } from '../load/pace.js'
import type { Sent } from '../load/sender-messages.js'

/**
 * `F0`: bare `ws`, one frame built beforehand, written to raw sockets. `F1`: bare `ws.send(string)`. `socket.io`: with
 * Redis adapter and emitter, behind an amqplib consumer. `relay`: amqplib and `ws.send`. `ours`: this project.
 */
export type Name = 'F0' | 'F1' | 'socket.io' | 'relay' | 'ours'

/** Who uses CPU: the processes that hold the clients, what feeds them from the bus, and the brokers. */
export type Role = 'server' | 'feed' | 'redis' | 'rabbitmq'
export const ROLES: readonly Role[] = ['server', 'feed', 'redis', 'rabbitmq']

export interface Contestant {
  readonly name: Name
  readonly port: number
  readonly dialect: DialectName
  /** Processes that take part in a delivery; none where it has no such role. */
  readonly pids: Readonly<Record<Role, readonly number[]>>
  /** Lets events happen; resolves when all have been sent. null: no process apart from the server sends them. */
  run(kind: EventKind, pace: Pace): Promise<Sent | null>
  stop(): Promise<void>
}
