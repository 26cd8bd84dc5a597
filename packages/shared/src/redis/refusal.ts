/** Why a Redis turns connections away: it says so and closes, and a client that writes first loses what it said. */
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clock } from '../runtime/clock.js'
import type { HostPort } from '../runtime/host-port.js'
import type { ClientTls } from '../runtime/tls.js'

export interface RefusalQuestion {
  readonly server: HostPort
  /** null: no TLS. */
  readonly tls: ClientTls | object | null
  readonly clock: Clock
  /** Milliseconds for all of it. */
  readonly msMax: number
}

/** A server that refuses speaks at once; another one waits to be asked. */
const LISTEN_MS = 100
const ANSWER_BYTES_MAX = 512
/** The question has no password: that one is wanted is no reason. */
const NO_REASON = /^-?NOAUTH\b/

/**
 * Asks a server over a connection of its own. Resolves with the error that it gives, or with null when it gives none.
 * Never rejects.
 */
export function askForRefusal({ server, tls, clock, msMax }: RefusalQuestion): Promise<string | null> {
  return new Promise((resolve) => {
    let reply = ''
    const socket = openSocket(server, tls)
    const finish = (): void => {
      asking.cancel()
      limit.cancel()
      socket.destroy()
      resolve(refusalIn(reply))
    }
    const asking = clock.after(LISTEN_MS, () => socket.write('PING\r\n'))
    const limit = clock.after(msMax, finish)
    socket.on('data', (bytes: Buffer) => {
      reply += bytes.toString()
      if (reply.includes('\n') || reply.length > ANSWER_BYTES_MAX) finish()
    })
    socket.on('error', finish)
    socket.on('close', finish)
  })
}

function openSocket({ host, port }: HostPort, tls: RefusalQuestion['tls']): Socket {
  return tls === null ? connectPlain({ host, port }) : connectTls({ ...tls, host, port })
}

/** The text of an error reply. */
function refusalIn(reply: string): string | null {
  const line = reply.slice(0, ANSWER_BYTES_MAX).split(/\r?\n/, 1)[0] ?? ''
  return line.startsWith('-') && !NO_REASON.test(line) ? line.slice(1) : null
}
