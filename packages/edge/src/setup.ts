import type { Config } from '@wazo-websocketd/shared/runtime/config/schema'
import type { TlsPem } from './tls.js'

/** What the primary gives a worker when it starts, over the channel between them. */
export interface WorkerSetup {
  readonly config: Config
  /** Number of this worker on its host, from 0. */
  readonly slot: number
  /** Workers of this host, which share its limits. */
  readonly workers: number
  /** null: no TLS. */
  readonly tls: TlsPem | null
}
