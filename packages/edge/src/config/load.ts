/** From the configuration to what primary and workers are made from. */
import type { ServiceOptions } from '@wazo-websocketd/shared/config/service-options'
import { effectiveLogLevel, workerCount } from '@wazo-websocketd/shared/config/derived'
import { ConfigError } from '@wazo-websocketd/shared/config/error'
import { loadConfig, type LoadedConfig } from '@wazo-websocketd/shared/config/load'
import { processEnvironment } from '@wazo-websocketd/shared/config/process-environment'
import type { Config } from '@wazo-websocketd/shared/config/schema'
import { pinoLevel } from '@wazo-websocketd/shared/runtime/logger'
import { messageOf, STATUS_CONFIG, StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import { digest } from '@wazo-websocketd/shared/runtime/digest'
import { readTlsFiles, type TlsPem } from '@wazo-websocketd/shared/runtime/server-tls'
import { readClientTls, type ClientTls } from '@wazo-websocketd/shared/runtime/tls'
import { programVersion } from '@wazo-websocketd/shared/runtime/version'
import type { Generation } from '../process/generation.js'
import { PROGRAM } from './program.js'
import type { WorkerConfig } from './worker-config.js'

/** A generation whose workers this code can make. */
export interface OwnGeneration extends Generation {
  readonly setup: WorkerConfig
}

/** The files that only root may be able to read. */
export interface Pems {
  readonly tls: TlsPem | null
  readonly redisTls: ClientTls | null
}

/**
 * Reads certificates and private keys.
 * @throws StartupError with status 78 when one cannot be read or used.
 */
export function readPems({ websocket, redis }: Config): Pems {
  return { tls: readTlsFiles(websocket), redisTls: readClientTls('redis.tls', redis.tls) }
}

/** What the workers of this configuration are started with. */
export function generationOf({ config, warnings, notes }: LoadedConfig, pems: Pems): OwnGeneration {
  const { admin, drain, metrics } = config
  const version = programVersion()
  const workers = workerCount(config)
  return {
    version,
    workers,
    drain: { ratePerSecond: drain.rate, timeoutMs: drain.timeout * 1000, delayMs: drain.delay * 1000 },
    logLevel: pinoLevel(effectiveLogLevel(config)),
    remarks: [...warnings, ...notes],
    restartOnly: {
      user: String(config.user),
      log_file: String(config.log_file),
      'admin.socket': String(admin.socket),
      log_format: config.log_format,
      'metrics.listen': metrics.listen,
      'metrics.edge_port': String(metrics.edge_port),
    },
    setup: { version, config, workers, ...pems },
    exceptCertificate: digest(JSON.stringify([version, config, workers, pems.redisTls])),
  }
}

/**
 * Reads everything once as `user`, whom this process has just become, because reloads read as that user, too. A key that
 * root alone may read would let every reload fail, and a renewed certificate would never be taken up.
 * @throws StartupError with status 78, naming the file and the user.
 */
export function checkReload(options: Omit<ServiceOptions, 'checkConfig'>, user: string): void {
  try {
    readGeneration(options)
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof StartupError)) throw error
    throw new StartupError(
      `user: ${user} cannot read what each reload reads: ${messageOf(error)}; let ${user} read the file (chgrp, chmod g+r), also after its renewal`,
      STATUS_CONFIG,
    )
  }
}

/**
 * Reads configuration and certificate as they are on disk now.
 * @throws ConfigError or StartupError in one line when they cannot be used.
 */
export function readGeneration({
  configFile,
  debug,
  user,
}: Omit<ServiceOptions, 'checkConfig'>): OwnGeneration {
  const loaded = loadConfig({ program: PROGRAM, configFile, debug, user, environment: processEnvironment() })
  return generationOf(loaded, readPems(loaded.config))
}
