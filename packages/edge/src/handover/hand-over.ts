/** Passes a worker's established connections to the worker that has its place now (ARCHITECTURE.md, upgrades). */
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { ReceivedConnection } from './receiver.js'
import type {
  HandoverPayload,
  HandoverCandidate,
  HandoverSender,
  HandoverResult,
  HandoverRefusal,
} from './sender.js'
import type { Connection } from '../session/connection.js'
import type { Sessions } from '../session/sessions.js'
import { WsAdapter } from '../socket/adapter.js'
import type { SocketServer } from '../socket/server.js'
import { encodeSnapshot } from './session-snapshot.js'
import { detach } from '../socket/detach/detach.js'

/** A session that waits for an answer has it in a moment. */
const UNSETTLED: HandoverRefusal = { reason: 'unsettled', transient: true }
const UNSUPPORTED: HandoverRefusal = { reason: 'unsupported', transient: false }

export interface HandOverOptions {
  readonly sessions: Pick<Sessions, 'open'>
  readonly sender: Pick<HandoverSender, 'send' | 'giveUp'>
  readonly clock: Clock
  /** How a connection fared, as `handover_total{result}` names it. */
  readonly onResult: (how: HandoverResult) => void
}

/** Resolves when every connection there was has gone to the successor or stays; within about `msMax`. */
export async function handOver(options: HandOverOptions, msMax: number): Promise<void> {
  const { sessions, sender, clock, onResult } = options
  const limit = clock.after(msMax, () => sender.giveUp())
  const moves = [...sessions.open()].map((session) =>
    sender.send({ release: () => detachSession(session) }).then(onResult),
  )
  await Promise.all(moves)
  limit.cancel()
}

/** Goes on with a connection that the worker before this one has passed on. */
export function receiveConnection(
  { handle, head, state }: ReceivedConnection,
  sockets: Pick<SocketServer, 'attach'>,
  sessions: Pick<Sessions, 'restore'>,
): void {
  const adapter = sockets.attach({ handle, head })
  adapter.listen(sessions.restore(adapter, state))
}

/** The session stands still first: what it has written by then must have left its socket. */
function detachSession(session: Connection): ReturnType<HandoverCandidate['release']> {
  const { socket } = session
  if (!(socket instanceof WsAdapter)) return UNSUPPORTED
  const snapshot = session.snapshot()
  if (snapshot === null) return UNSETTLED
  const released = detach(socket)
  if ('reason' in released) {
    session.unfreeze()
    return released
  }
  const { handle, head } = released
  const cargo: HandoverPayload = {
    handle,
    head,
    state: encodeSnapshot(snapshot),
    moved() {
      session.handedOver()
      released.moved()
    },
    restore() {
      released.restore()
      session.unfreeze()
    },
  }
  return cargo
}
