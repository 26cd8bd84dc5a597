import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { FLOODS, type Flood } from './inbound.js'
import type { SessionMetrics } from '../session/metrics.js'

/** Why an upgrade was refused before a session could say so, as `handshakes_rejected_total{reason}` names it. */
export type HandshakeRefusal =
  'origin' | 'incomplete' | 'too-many-connections' | 'connect-rate' | 'timeout' | 'too-large' | 'malformed'

export type SocketMetrics = ReturnType<typeof socketMetrics>

/** @param rejected counts all connections that were turned away, also by sessions */
export function socketMetrics(metrics: Metrics, rejected: SessionMetrics['rejected']) {
  const buffered = metrics.gauge({
    name: 'send_buffer_bytes',
    help: 'Memory of what waits in the send buffers of clients: the same bytes count once.',
  })
  const slow = metrics.counter({
    name: 'slow_consumers_closed_total',
    help: 'Clients closed because they did not read what they were sent.',
  })
  const flooding = metrics.counter({
    name: 'flooding_clients_closed_total',
    help: 'Clients cut for what they sent: control-frames (too many pings or pongs) or after-close (going on after the close frame).',
    labels: { reason: FLOODS },
  })
  const held = metrics.counter({
    name: 'client_reads_held_total',
    help: 'Times that a client was not read for the rest of a tenth of a second because it sent faster than the limits.',
  })
  return {
    flooding: (reason: Flood): void => flooding.inc({ reason }),
    readsHeld: (): void => held.inc(),
    handshakeRefused: (reason: HandshakeRefusal): void => rejected(reason),
    /** So many bytes wait in send buffers now. */
    sendBuffer: (bytes: number): void => buffered.set(bytes),
    slowConsumer: (): void => slow.inc(),
  }
}
