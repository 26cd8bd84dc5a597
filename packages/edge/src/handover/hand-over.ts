/** Passes a worker's established connections to its successor (docs/adr/0008). */
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Connection } from '../session/connection.js'
import type { Sessions } from '../session/sessions.js'
import { WsAdapter } from '../socket/adapter.js'
import { detach } from '../socket/detach/detach.js'
import type { SocketServer } from '../socket/server.js'
import type { ReceivedConnection } from './receiver.js'
import type { HandoverResult } from './result.js'
import type { HandoverPayload, HandoverRefusal, HandoverSender } from './sender.js'
import { encodeSnapshot } from './session-snapshot.js'

/** A session that waits for an answer has it in a moment. */
const UNSETTLED: HandoverRefusal = { reason: 'unsettled', transient: true }
const UNSUPPORTED: HandoverRefusal = { reason: 'unsupported', transient: false }

export interface HandOverOptions {
  readonly sessions: Pick<Sessions, 'open'>
  readonly sender: Pick<HandoverSender, 'send' | 'giveUp'>
  readonly clock: Clock
  /** Called with the result of each connection, as `handover_total{result}` names it. */
  readonly onResult: (result: HandoverResult) => void
}

/** Resolves when every present connection is the successor's or stays here; within about `msMax`. */
export async function handOver(options: HandOverOptions, msMax: number): Promise<void> {
  const { sessions, sender, clock, onResult } = options
  const limit = clock.after(msMax, () => sender.giveUp())
  const results = [...sessions.open()].map((connection) =>
    sender.send(() => release(connection)).then(onResult),
  )
  await Promise.all(results)
  limit.cancel()
}

/** Goes on with a connection that the worker before this one has passed on. */
export function receiveConnection(
  received: ReceivedConnection,
  sockets: Pick<SocketServer, 'attach'>,
  sessions: Pick<Sessions, 'restore'>,
): void {
  const adapter = sockets.attach(received)
  adapter.listen(sessions.restore(adapter, received.state))
}

/** Takes the snapshot first: by then everything that the session had written must have left its socket. */
function release(connection: Connection): HandoverPayload | HandoverRefusal {
  const { socket } = connection
  if (!(socket instanceof WsAdapter)) return UNSUPPORTED
  const snapshot = connection.snapshot()
  if (snapshot === null) return UNSETTLED
  const detached = detach(socket)
  if ('reason' in detached) {
    connection.feed.unfreeze()
    return detached
  }
  const { handle, head } = detached
  return {
    handle,
    head,
    state: encodeSnapshot(snapshot),
    moved() {
      connection.handedOver()
      detached.moved()
    },
    restore() {
      detached.restore()
      connection.feed.unfreeze()
    },
  }
}
