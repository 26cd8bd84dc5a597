import type { InboundLimits } from './inbound.js'

/** Limits of a worker's sockets. Defaults and meaning: `limits.*` of the configuration. Times are milliseconds. */
export interface SocketLimits extends InboundLimits {
  readonly clientFrameBytes: number
  readonly clientFragments: number
  readonly handshakeTime: number
  readonly handshakeHeaderBytes: number
  readonly incompleteUpgrades: number
  /** null: no limit. */
  readonly connectsPerIpPerSecond: number | null
  /** Open at once, those included that are turned away. */
  readonly socketsPerWorker: number
  readonly sendBufferSoftBytes: number
  readonly sendBufferSoftTime: number
  readonly sendBufferHardBytes: number
  readonly sendBufferWorkerBytes: number
  readonly pongTime: number
}
