import { readFileSync } from 'node:fs'
import { describeSystemError } from '@wazo-websocketd/shared/runtime/config/error'
import type { Config } from '@wazo-websocketd/shared/runtime/config/schema'
import { StartupError } from '@wazo-websocketd/shared/runtime/startup-error'

/** Status of a configuration that cannot be used (EX_CONFIG). */
const STATUS_CONFIG = 78

/** Certificate chain and private key, as PEM text. */
export interface TlsPem {
  readonly certificate: string
  readonly privateKey: string
}

/**
 * Reads `websocket.certificate` and `websocket.private_key`; null when neither is set.
 * @throws StartupError with status 78, naming key and file, when one cannot be read.
 */
export function readTlsFiles(
  websocket: Pick<Config['websocket'], 'certificate' | 'private_key'>,
): TlsPem | null {
  const { certificate, private_key: privateKey } = websocket
  if (certificate === null || privateKey === null) return null
  return {
    certificate: read('websocket.certificate', certificate),
    privateKey: read('websocket.private_key', privateKey),
  }
}

function read(key: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new StartupError(`${key}: cannot read ${file}: ${describeSystemError(error)}`, STATUS_CONFIG)
  }
}
