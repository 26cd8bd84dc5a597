/** What the sockets of a worker are bounded by and what is counted of them. */

/** Defaults and meaning: `limits.*` of the configuration. Times are milliseconds. */
export interface SocketLimits {
  readonly clientFrameBytes: number
  readonly clientFragments: number
  readonly handshakeTime: number
  readonly handshakeHeaderBytes: number
  readonly incompleteUpgrades: number
  readonly connectionsPerWorker: number
  readonly sendBufferSoftBytes: number
  readonly sendBufferSoftTime: number
  readonly sendBufferHardBytes: number
  readonly sendBufferWorkerBytes: number
  readonly pongTime: number
}

/** Why an upgrade was refused before a session could say so, as `handshakes_rejected_total{reason}` names it. */
export type HandshakeRefusal = 'origin' | 'incomplete' | 'too-many-connections'

export interface SocketMetrics {
  handshakeRefused(reason: HandshakeRefusal): void
  /** Bytes that wait in send buffers now. */
  sendBuffer(bytes: number): void
  slowConsumer(): void
}
