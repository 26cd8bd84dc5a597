/** Secrets that stand in files of their own: `bus.password_file` beside `bus.password`. */
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { describeSystemError } from '../runtime/system-error.js'
import type { Program } from './checks.js'
import type { Environment } from './environment.js'
import { DEFAULT_REDIS_URL } from './schema.js'
import { leafAt, mergeAll, type Leaf, type Node, type Tree } from './tree.js'

export interface SecretSources {
  readonly program: Program
  /** What all other sources have come to. */
  readonly tree: Tree
  readonly environment: Environment
}

export interface Secrets {
  /** The keys that the files stand for. */
  readonly tree: Tree
  /** Files that cannot be used, and secrets that are given twice; one line each. */
  readonly problems: readonly string[]
}

/** A secret, the key that names its file, and the programs that read it: the others may lack the right to. */
interface SecretFile {
  readonly section: string
  readonly secret: string
  readonly key: string
  readonly programs: readonly Program[]
}

const EDGE = 'wazo-websocketd-edge'
const INGEST = 'wazo-websocketd-ingest'
const FILES: readonly SecretFile[] = [
  { section: 'auth', secret: 'password', key: 'password_file', programs: [EDGE] },
  { section: 'bus', secret: 'password', key: 'password_file', programs: [INGEST] },
  { section: 'redis', secret: 'url', key: 'url_file', programs: [EDGE, INGEST] },
]
const SECRET_BYTES_MAX = 65_536
/** Where systemd puts credentials; stands for that directory at the beginning of a path. */
const CREDENTIALS = /^[$](?:CREDENTIALS_DIRECTORY|\{CREDENTIALS_DIRECTORY\})\//

/** Reads the files. Never throws. */
export function readSecretFiles({ program, tree, environment }: SecretSources): Secrets {
  const problems: string[] = []
  const found: Tree[] = []
  for (const { section, secret, key, programs } of FILES) {
    const given = givenLeaf(tree, section, key)
    if (given === null || !programs.includes(program)) continue
    const other = givenLeaf(tree, section, secret)
    if (other !== null)
      problems.push(
        `${given.source}: ${section}.${key}: ${section}.${secret} is set too (${other.source}): remove one`,
      )
    else
      attempt(() => found.push(nested(section, secret, readSecret(given, `${section}.${key}`, environment))))
  }
  const url = givenLeaf(mergeAll([...found, tree]), 'redis', 'url')
  const password = givenLeaf(tree, 'redis', 'password_file')
  if (password !== null)
    attempt(() => {
      const secret = readSecret(password, 'redis.password_file', environment)
      found.unshift(nested('redis', 'url', withPassword(url, secret)))
    })
  return { tree: mergeAll(found), problems }

  function attempt(task: () => void): void {
    try {
      task()
    } catch (error) {
      if (!(error instanceof UnusableSecret)) throw error
      problems.push(error.message)
    }
  }
}

/** Says in one line why a file with a secret cannot be used. */
class UnusableSecret extends Error {
  override name = 'UnusableSecret'
}

/** null: not set, or set to null. */
function givenLeaf(tree: Tree, section: string, key: string): Leaf | null {
  const leaf = leafAt(tree, [section, key])
  if (leaf === undefined || leaf.value === null || (leaf.value === '' && key.endsWith('_file'))) return null
  return leaf.fromText === true && (leaf.value === '' || leaf.value === 'null') ? null : leaf
}

function nested(section: string, key: string, leaf: Leaf): Tree {
  return new Map<string, Node>([[section, new Map([[key, leaf]])]])
}

/** The text of the file that `given` names, without one line end. */
function readSecret({ value, source }: Leaf, key: string, environment: Environment): Leaf {
  const refuse = (what: string): never => {
    throw new UnusableSecret(`${source}: ${key}: ${what}`)
  }
  if (typeof value !== 'string' || value === '') return refuse('must be the path of a file')
  const directory = environment['CREDENTIALS_DIRECTORY'] ?? ''
  if (CREDENTIALS.test(value) && directory === '')
    return refuse(`${value}: systemd has given this program no credentials (LoadCredential=)`)
  const file = value.replace(CREDENTIALS, () => join(directory, '/'))
  let bytes: Uint8Array
  try {
    bytes = readBounded(file)
  } catch (error) {
    return refuse(`cannot read ${file}: ${describeSystemError(error)}`)
  }
  if (bytes.length > SECRET_BYTES_MAX) return refuse(`${file} has more than ${SECRET_BYTES_MAX} bytes`)
  const text = Buffer.from(bytes)
    .toString()
    .replace(/\r?\n$/, '')
  if (text === '') return refuse(`${file} is empty`)
  return { value: text, source: file }
}

/** One byte more than a secret may have at most, so that a device cannot be read for ever. */
function readBounded(file: string): Uint8Array {
  const bytes = Buffer.alloc(SECRET_BYTES_MAX + 1)
  const fd = openSync(file, 'r')
  try {
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(fd, bytes, length, bytes.length - length, null)
    return bytes.subarray(0, length)
  } finally {
    closeSync(fd)
  }
}

/** The address with the password in it. An address that is none is left for the checks to name. */
function withPassword(url: Leaf | null, { value: password, source }: Leaf): Leaf {
  const address = typeof url?.value === 'string' ? url.value : DEFAULT_REDIS_URL
  if (!URL.canParse(address)) return url ?? { value: address, source }
  const complete = new URL(address)
  if (complete.password !== '')
    throw new UnusableSecret(
      `${url?.source ?? source}: redis.url: has a password, and redis.password_file is set too: remove one`,
    )
  complete.password = encodeURIComponent(String(password))
  return { value: complete.href, source: url === null ? source : `${url.source}, password from ${source}` }
}
