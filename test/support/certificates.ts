import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryDirectory } from './guard.mjs'

/** Paths of files. */
export interface Certificates {
  /** Of an authority that no machine trusts by itself. */
  readonly authority: string
  /** What the authority has signed, for 127.0.0.1. */
  readonly certificate: string
  readonly key: string
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** `names`: what the certificate is for. `days`: how long it is valid; negative: it has expired. */
export async function makeCertificates(names = 'IP:127.0.0.1', days = 2): Promise<Certificates> {
  const dir = await temporaryDirectory('certificates')
  const file = (name: string): string => join(dir, name)
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { stdio: 'pipe' })
  const signer = ['-keyout', file('authority.key'), '-out', file('authority.pem')]
  openssl('req', '-x509', ...NEW_KEY, '-days', '2', '-subj', '/CN=authority of a test', ...signer)
  openssl('req', ...NEW_KEY, '-subj', '/CN=redis', '-keyout', file('redis.key'), '-out', file('redis.csr'))
  await writeFile(file('names'), `subjectAltName=${names}\n`)
  const authority = ['-CA', file('authority.pem'), '-CAkey', file('authority.key'), '-CAcreateserial']
  const signed = ['-extfile', file('names'), '-out', file('redis.pem')]
  openssl('x509', '-req', '-in', file('redis.csr'), '-days', `${days}`, ...authority, ...signed)
  return { authority: file('authority.pem'), certificate: file('redis.pem'), key: file('redis.key') }
}
