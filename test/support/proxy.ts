/** What the reverse proxies of the tests have in common. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A running reverse proxy in front of the edges, with TLS. */
export interface Proxy {
  readonly port: number
  /** The self-signed certificate, in PEM. */
  readonly certificate: string
  /** Everything that it has logged. */
  logs(): Promise<string>
  stop(): Promise<void>
}

/** Paths of files. */
export interface KeyPair {
  readonly certificate: string
  readonly key: string
}

/** A self-signed certificate for 127.0.0.1 and its key, made in this directory. */
export async function selfSigned(directory: string): Promise<KeyPair> {
  const [certificate, key] = [join(directory, 'certificate.pem'), join(directory, 'key.pem')]
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-days', '2', '-subj', '/CN=127.0.0.1'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate],
  ])
  return { certificate, key }
}

/** The contents of one of the files under deploy/. */
export function shipped(file: string): Promise<string> {
  return readFile(new URL(file, new URL('../../deploy/', import.meta.url)), 'utf8')
}
