/** What a worker takes connections from another one by, and gives its own away when it ends. */
import { primaryChannel } from '../handover/channel.js'
import { receiveConnection } from '../handover/hand-over.js'
import { HandoverReceiver } from '../handover/receiver.js'
import { HandoverSender } from '../handover/sender.js'
import { Shutdown } from '../process/shutdown.js'
import type { Sessions } from '../session/sessions.js'
import type { SocketServer } from '../socket/server.js'
import type { WorkerContext } from './context.js'

export interface WorkerHandoverOptions {
  readonly context: WorkerContext
  readonly sessions: Sessions
  readonly sockets: SocketServer
  /** The worker serves no new clients from now on. */
  readonly began: () => void
  /** Ends the worker; its last session is gone. */
  readonly end: () => Promise<void>
}

/** Makes the end of a worker; until it begins, the worker takes connections that another one passes on. */
export function workerShutdown({ context, sessions, sockets, began, end }: WorkerHandoverOptions): Shutdown {
  const { setup, clock, log, counts } = context
  const handsOver = setup.config.drain.handover && setup.tls === null
  // The worker that passes them on goes by the configuration before: without hand-over, or with TLS, in this one's
  // they are not to go on here.
  const takes = sockets.canAttach && handsOver
  const receiver: HandoverReceiver = new HandoverReceiver(primaryChannel, {
    canAccept: (state) => !shutdown.draining && takes && sessions.canAccept(state),
    receive: (arrived) => receiveConnection(arrived, sockets, sessions),
  })
  const shutdown: Shutdown = new Shutdown({
    sessions,
    sockets,
    sender: new HandoverSender({ channel: primaryChannel, clock }),
    arriving: () => receiver.size,
    handsOver,
    clock,
    log,
    handedOver: counts.handover.handedOver,
    began,
    end,
  })
  return shutdown
}
