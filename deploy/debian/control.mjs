/** The control files of the package: what dpkg knows of it, and does when it comes and goes. */
import { createHash } from 'node:crypto'
import { chmod, copyFile, lstat, mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CONFFILES } from './tree.mjs'

/**
 * Above every version of the package of the same name in Wazo's repositories, which count by years: with it this one takes the
 * place of that one, and an upgrade of Wazo does not take it back.
 */
const EPOCH = 1
const SCRIPTS = ['preinst', 'postinst', 'prerm', 'postrm']

/** Of a Debian version: begins with a digit, has no hyphen (this package is its own source). */
const VERSION = /^\d[0-9A-Za-z.+~]*$/

/**
 * @param {string} version of npm, where a pre-release follows a hyphen
 * @returns {string} as Debian orders it: a pre-release before its release
 */
export function debianVersion(version) {
  const written = version.replace('-', '~').replaceAll('-', '.')
  if (!VERSION.test(written)) throw new Error(`not a version: ${version}`)
  return `${EPOCH}:${written}`
}

/**
 * Writes DEBIAN/ for the files that are in the stage.
 * @param {string} stage
 * @param {{ version: string, architecture: string }} release
 */
export async function writeControl(stage, { version, architecture }) {
  const directory = join(stage, 'DEBIAN')
  const files = await filesOf(stage)
  const sums = []
  let bytes = 0
  for (const file of files) {
    const content = await readFile(join(stage, file))
    bytes += Math.ceil(content.length / 1024) * 1024
    if (!(`/${file}` in CONFFILES)) sums.push(`${createHash('md5').update(content).digest('hex')}  ${file}\n`)
  }
  await mkdir(directory)
  await writeFile(join(directory, 'md5sums'), sums.join(''))
  await writeFile(
    join(directory, 'conffiles'),
    Object.keys(CONFFILES)
      .map((path) => `${path}\n`)
      .join(''),
  )
  await writeFile(
    join(directory, 'control'),
    control({ version, architecture, kibibytes: Math.ceil(bytes / 1024) }),
  )
  for (const script of SCRIPTS) {
    await copyFile(new URL(`scripts/${script}`, import.meta.url), join(directory, script))
    await chmod(join(directory, script), 0o755)
  }
}

/** @param {{ version: string, architecture: string, kibibytes: number }} of */
function control({ version, architecture, kibibytes }) {
  return `Package: wazo-websocketd
Version: ${debianVersion(version)}
Architecture: ${architecture}
Maintainer: wazo-websocketd-cluster <wazo-websocketd-cluster@localhost>
Installed-Size: ${kibibytes}
Depends: adduser, libc6 (>= 2.28), libgcc-s1 (>= 3.4), libstdc++6 (>= 5.2)
Recommends: redis-server (>= 5:6.2), logrotate
Suggests: rabbitmq-server (>= 3.9), nginx, rsyslog
Section: comm
Priority: optional
Description: WebSocket event server of a Wazo platform, scaled out
 Events that the daemons of a Wazo platform publish on RabbitMQ reach browsers,
 softphones and integrations over WebSocket, each once and in order.
 .
 It takes the place of the wazo-websocketd that Wazo ships: the same protocol,
 the same configuration file, the same clients. It needs Redis in addition, and
 runs on as many processes and hosts as wanted.
 .
 The package brings its own Node.js.
`
}

/**
 * @param {string} stage
 * @returns {Promise<string[]>} paths of all files, relative and sorted by bytes
 */
async function filesOf(stage) {
  const entries = await readdir(stage, { recursive: true, withFileTypes: true })
  const paths = entries.map((entry) => join(entry.parentPath, entry.name))
  const files = []
  for (const path of paths) if ((await lstat(path)).isFile()) files.push(path.slice(stage.length + 1))
  return files.sort()
}
