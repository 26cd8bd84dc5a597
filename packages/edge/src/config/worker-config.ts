import type { Config } from '@wazo-websocketd/shared/config/schema'
import type { ClientTls } from '@wazo-websocketd/shared/runtime/tls'
import { programVersion } from '@wazo-websocketd/shared/runtime/version'
import { PROGRAM } from './program.js'
import type { TlsPem } from '@wazo-websocketd/shared/runtime/server-tls'

/** What a worker is made from. It reaches the worker through its primary, which does not look into it. */
export interface WorkerConfig {
  /** Of the code that read the configuration: code of another version reads it again by itself. */
  readonly version: string
  readonly config: Config
  /** Workers of this host; each has its part of the limits that are the host's. */
  readonly workers: number
  /** null: no TLS. */
  readonly tls: TlsPem | null
  /** `redis.tls`; null: none, or as `redis.url` says. */
  readonly redisTls: ClientTls | null
}

/**
 * The setup that the primary has passed on, when code of this version made it. A worker that is started in the
 * place of a dead one runs what is on disk by then: code of another version may miss keys in what it is given,
 * so it reads the configuration by itself, by the arguments `argv` of the program.
 * @throws ConfigError or StartupError in one line when it cannot be used.
 */
export async function usableWorkerConfig(given: unknown, argv: readonly string[]): Promise<WorkerConfig> {
  const version = (given as Partial<WorkerConfig> | null)?.version
  if (version === programVersion()) return given as WorkerConfig
  // Loaded only when needed: what reads configuration is a fifth of all the code of a worker that starts.
  const { readServiceOptions } = await import('@wazo-websocketd/shared/config/service-options')
  const { readGeneration } = await import('./load.js')
  return readGeneration(readServiceOptions(PROGRAM, argv)).setup
}
