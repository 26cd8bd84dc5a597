import type { Config } from '../config/schema.js'
import { checkPair, readPem } from './tls.js'

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
    certificate: readPem('websocket.certificate', certificate),
    privateKey: readPem('websocket.private_key', privateKey),
  }
  checkPair('websocket.certificate, websocket.private_key', `${certificate} and ${privateKey}`, {
    cert: pem.certificate,
    key: pem.privateKey,
  })
  return pem
}
