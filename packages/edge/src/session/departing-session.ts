import type { Connection } from './connection.js'
import { encodePassage } from './passage.js'
import type { ClientSocket } from './ports.js'

/** A session that another worker of this host is to take over. */
export class DepartingSession {
  private readonly connection: Connection

  constructor(connection: Connection) {
    this.connection = connection
  }

  get socket(): ClientSocket {
    return this.connection.socket
  }

  /**
   * The session stands still: its state as JSON; null while something is under way, then nothing has changed. After it
   * either `passed` or `remain`.
   */
  pass(): object | null {
    const passage = this.connection.pass()
    return passage === null ? null : encodePassage(passage)
  }

  /** It is the other worker's; before its socket is given up. */
  passed(): void {
    this.connection.passed()
  }

  /** It stays after all. */
  remain(): void {
    this.connection.remain()
  }
}
