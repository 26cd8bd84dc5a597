/** Passes a worker's established connections to the worker that has its place now (ARCHITECTURE.md, upgrades). */
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Arrived } from './receiver.js'
import type { Cargo, Departing, Departures, Departure, Refused } from './sender.js'
import type { Connection } from '../session/connection.js'
import type { SessionHost } from '../session/sessions.js'
import { WsAdapter } from '../socket/adapter.js'
import type { SocketServer } from '../socket/server.js'
import type { TcpHandle } from '../socket/detach/ws-internals.js'
import { encodePassage } from './session-snapshot.js'
import { release } from '../socket/detach/detach.js'

/** A session that waits for an answer has it in a moment. */
const UNSETTLED: Refused = { reason: 'unsettled', passing: true }
const UNSUPPORTED: Refused = { reason: 'unsupported', passing: false }

export interface HandOverOptions {
  readonly sessions: Pick<SessionHost, 'open'>
  readonly departures: Pick<Departures, 'move' | 'giveUp'>
  readonly clock: Clock
  /** How a connection fared, as `handover_total{result}` names it. */
  readonly fared: (how: Departure) => void
}

/** Resolves when every connection there was has gone to the successor or stays; within about `msMax`. */
export async function handOver(options: HandOverOptions, msMax: number): Promise<void> {
  const { sessions, departures, clock, fared } = options
  const limit = clock.after(msMax, () => departures.giveUp())
  const moves = [...sessions.open()].map((session) =>
    departures.move({ release: () => releaseWith(session) }).then(fared),
  )
  await Promise.all(moves)
  limit.cancel()
}

/** Goes on with a connection that the worker before this one has passed on. */
export function takeOver(
  { handle, head, state }: Arrived,
  sockets: Pick<SocketServer, 'adopt'>,
  sessions: Pick<SessionHost, 'adopt'>,
): void {
  const adapter = sockets.adopt({ handle: handle as TcpHandle, head })
  adapter.listen(sessions.adopt(adapter, state))
}

/** The session stands still first: what it has written by then must have left its socket. */
function releaseWith(session: Connection): ReturnType<Departing['release']> {
  const { socket } = session
  if (!(socket instanceof WsAdapter)) return UNSUPPORTED
  const passage = session.pass()
  if (passage === null) return UNSETTLED
  const released = release(socket)
  if ('reason' in released) {
    session.remain()
    return released
  }
  const { handle, head } = released
  const cargo: Cargo = {
    handle,
    head,
    state: encodePassage(passage),
    moved() {
      session.passed()
      released.moved()
    },
    restore() {
      released.restore()
      session.remain()
    },
  }
  return cargo
}
