import type { Config } from '@wazo-websocketd/shared/runtime/config/schema'
import type { TlsPem } from './tls.js'

/** What a worker is made from. It reaches the worker through its primary, which does not look into it. */
export interface WorkerSetup {
  /** Of the code that read the configuration: code of another version reads it again by itself. */
  readonly version: string
  readonly config: Config
  /** Workers of this host, which share its limits. */
  readonly workers: number
  /** null: no TLS. */
  readonly tls: TlsPem | null
}
