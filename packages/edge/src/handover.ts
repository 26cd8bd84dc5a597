/** Passes a worker's established connections to the worker that has its place now (ARCHITECTURE.md, upgrades). */
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Arrived } from './cluster/transfer/arrivals.js'
import type { Cargo, Departing, Departures, Departure, Refused } from './cluster/transfer/departures.js'
import type { DepartingSession } from './session/departing-session.js'
import type { SessionHost } from './session/host.js'
import { WsAdapter } from './socket/adapter.js'
import type { SocketServer } from './socket/server.js'
import type { TcpHandle } from './socket/transfer/internals.js'
import { release } from './socket/transfer/release.js'

/** A session that waits for an answer has it in a moment. */
const UNSETTLED: Refused = { reason: 'unsettled', passing: true }
const UNSUPPORTED: Refused = { reason: 'unsupported', passing: false }

export interface HandOverOptions {
  readonly sessions: Pick<SessionHost, 'departing'>
  readonly departures: Pick<Departures, 'move' | 'giveUp'>
  readonly clock: Clock
  /** How a connection fared, as `handover_total{result}` names it. */
  readonly fared: (how: Departure) => void
}

/** Resolves when every connection there was has gone to the successor or stays; within about `msMax`. */
export async function handOver(options: HandOverOptions, msMax: number): Promise<void> {
  const { sessions, departures, clock, fared } = options
  const limit = clock.after(msMax, () => departures.giveUp())
  const moves = [...sessions.departing()].map((session) =>
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
function releaseWith(session: DepartingSession): ReturnType<Departing['release']> {
  const { socket } = session
  if (!(socket instanceof WsAdapter)) return UNSUPPORTED
  const state = session.pass()
  if (state === null) return UNSETTLED
  const released = release(socket)
  if ('reason' in released) {
    session.remain()
    return released
  }
  const { handle, head } = released
  const cargo: Cargo = {
    handle,
    head,
    state,
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
