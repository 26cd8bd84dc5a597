/**
 * The Node that the package brings along, and that the tests also run on: Debian 12 has none that is still maintained.
 *
 * `node deploy/debian/node-runtime.mjs` gets it for this machine and prints its path.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { run } from './run.mjs'

const CACHE = fileURLToPath(new URL('../../dist', import.meta.url))
const PINNED = new URL('node.json', import.meta.url)
const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' }

/** @typedef {'amd64' | 'arm64'} Architecture as Debian calls it */

/** @returns {Architecture} of this machine */
export function ownArchitecture(arch = process.arch) {
  const own = ARCHITECTURES[arch]
  if (own === undefined)
    throw new Error(`there is no Node to bring along for ${arch}: only for x64 and arm64`)
  return own
}

/** @returns {Promise<{ version: string, packages: Record<Architecture, { name: string, integrity: string }> }>} */
export async function pinnedNode() {
  return JSON.parse(await readFile(PINNED, 'utf8'))
}

/**
 * Gets Node from npm, unless it is in `dist` already. The text of its integrity in node.json decides what is taken.
 * @param {Architecture} [architecture]
 * @returns {Promise<{ version: string, binary: string, license: string }>} paths of files
 */
export async function nodeRuntime(architecture = ownArchitecture()) {
  const { version, packages } = await pinnedNode()
  const directory = join(CACHE, `node-${version}-${architecture}`)
  const files = { version, binary: join(directory, 'bin/node'), license: join(directory, 'LICENSE') }
  if (existsSync(directory)) return files
  await mkdir(CACHE, { recursive: true })
  const work = await mkdtemp(join(CACHE, '.node-'))
  try {
    const archive = await download({ ...packages[architecture], version }, work)
    const fresh = join(work, 'fresh')
    await mkdir(fresh)
    await run('tar', [
      ...['--extract', '--file', archive, '--directory', fresh, '--strip-components=1', '--no-same-owner'],
      ...['package/bin/node', 'package/LICENSE'],
    ])
    await rename(fresh, directory).catch((error) => {
      if (!existsSync(directory)) throw error // else another build was faster
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return files
}

/**
 * @param {{ name: string, version: string, integrity: string }} wanted
 * @param {string} directory
 * @returns {Promise<string>} the path of the archive
 * @throws {Error} when it is not the one that was pinned
 */
async function download({ name, version, integrity }, directory) {
  const args = ['pack', `${name}@${version}`, '--pack-destination', directory, '--silent']
  const file = join(directory, (await run('npm', args)).trim().split('\n').at(-1) ?? '')
  const [algorithm = '', expected] = integrity.split(/-(.*)/s)
  const found = createHash(algorithm)
    .update(await readFile(file))
    .digest('base64')
  if (found !== expected) throw new Error(`${name}@${version} is not the archive that node.json names`)
  return file
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  console.log((await nodeRuntime()).binary)
