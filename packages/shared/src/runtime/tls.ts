/** TLS to a server: what the configuration asks for, and what it means when it cannot be agreed on. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { describeSystemError } from './system-error.js'
import type { TlsConfig } from '../config/schema.js'
import { messageOf, STATUS_CONFIG, StartupError } from './startup-error.js'

/** For `tls.connect`: PEM texts, not paths, since files may be readable before privileges are dropped only. */
export interface ClientTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly rejectUnauthorized: boolean
}

/**
 * Reads the files that `config`, the value of the key `name`, names; null: no TLS.
 * @throws StartupError with status 78, naming key and file, when one cannot be read or used.
 */
export function readClientTls(name: string, config: TlsConfig): ClientTls | null {
  if (config === false) return null
  if (config === true) return { rejectUnauthorized: true }
  const { ca, cert, key, verify } = config
  const tls = {
    rejectUnauthorized: verify,
    ...(ca === null ? {} : { ca: readAuthorities(`${name}.ca`, ca) }),
    ...(cert === null ? {} : { cert: readPem(`${name}.cert`, cert) }),
    ...(key === null ? {} : { key: readPem(`${name}.key`, key) }),
  }
  checkPair(`${name}.cert, ${name}.key`, [cert, key].join(' and '), tls)
  return tls
}

/**
 * Checks that certificate and private key belong together.
 * @param names the keys of the configuration; `files` are their values
 * @throws StartupError with status 78, naming keys and files.
 */
export function checkPair(names: string, files: string, pair: Pick<ClientTls, 'ca' | 'cert' | 'key'>): void {
  try {
    createSecureContext(pair)
  } catch (error) {
    throw new StartupError(`${names}: ${files} are not a usable pair: ${messageOf(error)}`, STATUS_CONFIG)
  }
}

/**
 * The certificates of a file.
 * @throws StartupError with status 78, naming key and file, when it cannot be read or holds none.
 */
export function readAuthorities(name: string, file: string): string {
  const text = readPem(name, file)
  try {
    new X509Certificate(text) // `tls.connect` would take anything, and then trust nobody
  } catch {
    throw new StartupError(`${name}: ${file} holds no certificate in PEM form`, STATUS_CONFIG)
  }
  return text
}

/**
 * The text of a PEM file.
 * @throws StartupError with status 78, naming key and file, when it cannot be read.
 */
export function readPem(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new StartupError(`${name}: cannot read ${file}: ${describeSystemError(error)}`, STATUS_CONFIG)
  }
}

/** Keys to correct when TLS fails. */
export interface TlsKeys {
  /** Of the address. */
  readonly address: string
  /** Of TLS as a whole. */
  readonly tls: string
  /** Of the authorities' certificates. */
  readonly ca: string
  /** Of this program's own certificate, where it may have one. */
  readonly own?: string
}

const OTHER_NAME = /ERR_TLS_CERT_ALTNAME_INVALID|does not match certificate's altnames/
const NOT_TRUSTED =
  /SELF_SIGNED_CERT|UNABLE_TO_(GET_ISSUER|VERIFY)|CERT_(UNTRUSTED|REJECTED|SIGNATURE)|INVALID_CA/
const REFUSES_OURS =
  /(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_(UNKNOWN|EXPIRED|REVOKED))|HANDSHAKE_FAILURE/
/** What a client that speaks TLS hears from a server that does not. */
const NO_TLS = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|wrong version number|packet length too long/

/** What kept TLS from being agreed on and which key mends it, to be put after the server's name; null: something else. */
export function describeTlsError(
  code: string,
  message: string,
  { address, tls, ca, own }: TlsKeys,
): string | null {
  const known = `${code} ${message}`
  if (OTHER_NAME.test(known))
    return `shows a certificate for other names: correct ${address}, or have one issued for this name (${message})`
  if (code === 'CERT_HAS_EXPIRED') return `shows a certificate that has expired: renew it there (${message})`
  if (code === 'CERT_NOT_YET_VALID')
    return `shows a certificate that is not valid yet: check the clocks (${message})`
  if (NOT_TRUSTED.test(code))
    return `shows a certificate that is not trusted: name the file of its authority in ${ca} (${message})`
  if (NO_TLS.test(known)) return `does not speak TLS on this port: correct ${address}, or ${tls}`
  if (own !== undefined && REFUSES_OURS.test(known.toUpperCase().replace(/ /g, '_')))
    return `refuses this program's certificate, or its lack of one: correct ${own} (${message})`
  return null
}
