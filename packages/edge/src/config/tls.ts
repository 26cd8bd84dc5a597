import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { describeSystemError } from '@wazo-websocketd/shared/runtime/system-error'
import type { Config } from '@wazo-websocketd/shared/config/schema'
import { messageOf, STATUS_CONFIG, StartupError } from '@wazo-websocketd/shared/runtime/startup-error'

/** Certificate chain and private key, as PEM text. */
export interface TlsPem {
  readonly certificate: string
  readonly privateKey: string
}

/**
 * Reads `websocket.certificate` and `websocket.private_key`; null when neither is set.
 * @throws StartupError with status 78, naming key and file, when one cannot be read or used.
 */
export function readTlsFiles(
  websocket: Pick<Config['websocket'], 'certificate' | 'private_key'>,
): TlsPem | null {
  const { certificate, private_key: privateKey } = websocket
  if (certificate === null || privateKey === null) return null
  const pem = {
    certificate: read('websocket.certificate', certificate),
    privateKey: read('websocket.private_key', privateKey),
  }
  try {
    createSecureContext({ cert: pem.certificate, key: pem.privateKey })
  } catch (error) {
    throw new StartupError(
      `websocket.certificate, websocket.private_key: ${certificate} and ${privateKey} are not a usable pair: ${messageOf(error)}`,
      STATUS_CONFIG,
    )
  }
  return pem
}

function read(key: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new StartupError(`${key}: cannot read ${file}: ${describeSystemError(error)}`, STATUS_CONFIG)
  }
}
