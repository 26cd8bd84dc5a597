/**
 * `npm run package:deb`: builds dist/wazo-websocketd_VERSION_ARCHITECTURE.deb and prints its path.
 *
 * The same commit gives the same bytes: all times are SOURCE_DATE_EPOCH, or else that of the commit, and owners, modes and
 * the order of files depend on nothing.
 */
import { chmod, lstat, lutimes, mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writeControl } from './control.mjs'
import { nodeRuntime, ownArchitecture } from './node-runtime.mjs'
import { run } from './run.mjs'
import { writeTree } from './tree.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const ARCHITECTURES = ['amd64', 'arm64']
const USAGE = `Usage: npm run package:deb -- [--arch amd64|arm64] [--version VERSION] [--out DIRECTORY] [--fast]
  --arch      for which machines (default: such as this one)
  --version   instead of that of package.json
  --out       where the package goes (default: dist)
  --fast      hardly compressed: for tests`
/** xz at a low level: a tenth larger than at the highest one, in a tenth of the time. */
const COMPRESSION = ['-Zxz', '-z2']
const FAST = ['-Zgzip', '-z1']

function options() {
  const { values } = parseArgs({
    options: {
      arch: { type: 'string', default: ownArchitecture() },
      version: { type: 'string' },
      out: { type: 'string', default: join(ROOT, 'dist') },
      fast: { type: 'boolean', default: false },
    },
  })
  if (!ARCHITECTURES.includes(values.arch))
    throw new Error(`--arch must be amd64 or arm64, not ${values.arch}`)
  return values
}

/** @returns {Promise<number>} seconds since 1970 */
async function releaseTime() {
  const given = process.env.SOURCE_DATE_EPOCH
  const text = given ?? (await run('git', ['log', '-1', '--format=%ct'], { cwd: ROOT }).catch(() => ''))
  const seconds = Number(text.trim() || NaN)
  if (Number.isInteger(seconds)) return seconds
  throw new Error('the time of the release is not known: build in a git checkout, or set SOURCE_DATE_EPOCH')
}

/**
 * Sets times and modes of all files: neither those of the checkout nor the umask may show.
 * @param {string} stage @param {number} time
 */
async function level(stage, time) {
  for (const entry of await readdir(stage, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const { mode } = await lstat(path)
    if (!entry.isSymbolicLink()) await chmod(path, entry.isDirectory() || mode & 0o100 ? 0o755 : 0o644)
    await lutimes(path, time, time)
  }
  await chmod(stage, 0o755)
  await lutimes(stage, time, time)
}

/** @returns {Promise<string>} the path of the package */
async function build({ arch, version: wanted, out, fast }) {
  const time = await releaseTime()
  const version = wanted ?? JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')).version
  await run(process.execPath, ['node_modules/typescript/bin/tsc', '-b'], { cwd: ROOT })
  const node = await nodeRuntime(arch)
  const stage = await mkdtemp(join(tmpdir(), 'wazo-websocketd-deb-'))
  try {
    await writeTree(stage, { version, released: new Date(time * 1000), node })
    await writeControl(stage, { version, architecture: arch })
    await level(stage, time)
    await mkdir(out, { recursive: true })
    const file = join(out, `wazo-websocketd_${version}_${arch}.deb`)
    const how = ['--root-owner-group', ...(fast ? FAST : COMPRESSION)]
    await run('dpkg-deb', [...how, '--build', stage, file], { env: { SOURCE_DATE_EPOCH: String(time) } })
    return file
  } finally {
    await rm(stage, { recursive: true, force: true })
  }
}

try {
  console.log(await build(options()))
} catch (error) {
  console.error(`${error.message}${error.code?.startsWith('ERR_PARSE_ARGS') ? `\n${USAGE}` : ''}`)
  process.exitCode = 1
}
