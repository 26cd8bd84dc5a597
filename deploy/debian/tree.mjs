/** What the package consists of: where each file goes, and from where. */
import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, readFile, readdir, rmdir, writeFile } from 'node:fs/promises'
import { dirname, extname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { runtimeModules } from './modules.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LIBRARY = '/usr/lib/wazo-websocketd'
const DOCUMENTS = '/usr/share/doc/wazo-websocketd'
const PACKAGES = ['edge', 'ingest', 'shared']
/** Folders of these beside the code that their programs read. */
const DATA = ['console', 'samples']
/** Files and folders of npm packages that nothing reads at run time; so are all whose names begin with a dot. */
const NOT_RUN = new Set(['.map', '.ts', '.cts', '.mts', '.md', '.markdown', '.html', '.tsbuildinfo'])
const NOT_RUN_FOLDERS = new Set([
  ...['node_modules', 'test', 'tests', 'benchmark', 'benchmarks', 'docs', 'example', 'examples'],
])
const LICENSES = /^(licen[cs]e|copying|notice)/i

/** Program -> its file in `packages`. wazo-websocketd is the name that Wazo's own tools and habits know. */
const PROGRAMS = {
  'wazo-websocketd': 'edge/bin/wazo-websocketd-edge.js',
  'wazo-websocketd-edge': 'edge/bin/wazo-websocketd-edge.js',
  'wazo-websocketd-ingest': 'ingest/bin/wazo-websocketd-ingest.js',
  'wazo-websocketd-wait-online': 'edge/bin/wazo-websocketd-wait-online.js',
  'wazo-websocketd-ctl': 'edge/bin/wazo-websocketd-ctl.js',
  'wazo-websocketd-tail': 'edge/bin/wazo-websocketd-tail.js',
  'wazo-websocketd-publish': 'ingest/bin/wazo-websocketd-publish.js',
}

/** Files that administrators may change: dpkg keeps their changes. Path in the package -> path in this repository. */
export const CONFFILES = {
  '/etc/logrotate.d/wazo-websocketd': 'deploy/logrotate/wazo-websocketd',
  '/etc/nginx/conf.d/wazo-websocketd.conf': 'deploy/nginx/conf.d/wazo-websocketd.conf',
  '/etc/nginx/locations/https-available/wazo-websocketd': 'deploy/nginx/locations/wazo-websocketd',
  '/etc/rsyslog.d/wazo-websocketd.conf': 'deploy/rsyslog/wazo-websocketd.conf',
}

const COPIES = {
  ...CONFFILES,
  // No conffile: dpkg would ask about the one of the package whose place this takes, and fail where nobody answers.
  '/usr/share/wazo-websocketd/config.yml': 'deploy/debian/files/config.yml',
  '/lib/systemd/system/wazo-websocketd.service': 'deploy/systemd/wazo-websocketd.service',
  '/lib/systemd/system/wazo-websocketd-ingest.service': 'deploy/systemd/wazo-websocketd-ingest.service',
  '/usr/share/lintian/overrides/wazo-websocketd': 'deploy/debian/files/lintian-overrides',
  [`${DOCUMENTS}/examples/haproxy.cfg`]: 'deploy/haproxy/haproxy.cfg',
  [`${DOCUMENTS}/examples/prometheus.yml`]: 'deploy/prometheus/prometheus.yml',
  [`${DOCUMENTS}/examples/60-wazo-websocketd.conf`]: 'deploy/sysctl/60-wazo-websocketd.conf',
  [`${DOCUMENTS}/examples/nginx/wazo-websocketd-upstream.conf`]:
    'deploy/nginx/conf.d/wazo-websocketd-upstream.conf',
  [`${DOCUMENTS}/examples/nginx/wazo-websocketd-upstream`]: 'deploy/nginx/locations/wazo-websocketd-upstream',
}

const DIRECTORIES = ['/etc/wazo-websocketd/conf.d', '/var/log/wazo-websocketd']

/** Documents of this repository that an operator needs beside the machine. */
const PAGES = ['CHANGELOG.md', 'PROTOCOL.md', 'docs/moving-from-wazo-websocketd.md', 'docs/reference.md']

/**
 * Writes all files of the package but its control files.
 * @param {string} stage an empty directory that stands for /
 * @param {{ version: string, released: Date, node: { version: string, binary: string, license: string } }} release
 */
export async function writeTree(stage, { version, released, node }) {
  const at = (/** @type {string} */ path) => join(stage, path)
  for (const directory of DIRECTORIES) await mkdir(at(directory), { recursive: true })
  for (const [path, source] of Object.entries(COPIES)) await copy(join(ROOT, source), at(path))
  await writePrograms(stage)
  await copy(node.binary, at(`${LIBRARY}/bin/node`))
  await chmod(at(`${LIBRARY}/bin/node`), 0o755)
  await writePackages(at(`${LIBRARY}/node_modules`), version)
  for (const page of PAGES)
    await writeCompressed(at(`${DOCUMENTS}/${page}`), await readFile(join(ROOT, page)))
  await writeCompressed(at(`${DOCUMENTS}/changelog`), debianChangelog(version, released))
  await writeCopyright(at(DOCUMENTS), node)
}

/** @param {string} stage */
async function writePrograms(stage) {
  await mkdir(join(stage, '/usr/bin'), { recursive: true })
  for (const [name, file] of Object.entries(PROGRAMS)) {
    const target = `${LIBRARY}/node_modules/@wazo-websocketd/${file}`
    // exec: the program is the process that was started, so signals and the supervisor reach it.
    const text = `#!/bin/sh\nexec ${LIBRARY}/bin/node ${target} "$@"\n`
    await writeFile(join(stage, '/usr/bin', name), text, { mode: 0o755 })
  }
}

/**
 * The programs as npm packages among the ones that they depend on.
 * @param {string} modules @param {string} version
 */
async function writePackages(modules, version) {
  const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')).packages
  for (const path of runtimeModules(lock)) {
    const commands = await commandsOf(join(ROOT, path))
    const filter = (/** @type {string} */ file) => isRun(file) && !commands.includes(file)
    const to = join(modules, relative('node_modules', path))
    await copy(join(ROOT, path), to, filter)
    await removeEmpty(to)
  }
  for (const name of PACKAGES) {
    const [from, to] = [join(ROOT, 'packages', name), join(modules, '@wazo-websocketd', name)]
    const description = JSON.parse(await readFile(join(from, 'package.json'), 'utf8'))
    await mkdir(to, { recursive: true })
    await writeFile(join(to, 'package.json'), `${JSON.stringify({ ...description, version }, null, 2)}\n`)
    await copy(join(from, 'dist'), join(to, 'dist'), (file) => isRun(file) && isCurrent(from, file))
    for (const folder of DATA)
      if (existsSync(join(from, folder))) await copy(join(from, folder), join(to, folder))
    for (const file of await commandsOf(from)) {
      await mkdir(join(to, 'bin'), { recursive: true })
      // Without its first line, which would have the Node on the PATH run it.
      const text = (await readFile(file, 'utf8')).replace(/^#!.*\n/, '')
      await writeFile(join(to, relative(from, file)), text)
    }
  }
}

/**
 * Removes folders of which nothing was copied.
 * @param {string} directory
 */
async function removeEmpty(directory) {
  for (const entry of await readdir(directory, { withFileTypes: true }))
    if (entry.isDirectory()) await removeEmpty(join(directory, entry.name))
  if ((await readdir(directory)).length === 0) await rmdir(directory)
}

/**
 * The files of a package that are commands of its own.
 * @param {string} directory
 * @returns {Promise<string[]>}
 */
async function commandsOf(directory) {
  const { bin = {} } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'))
  return (typeof bin === 'string' ? [bin] : Object.values(bin)).map((file) => join(directory, file))
}

/** @param {string} file */
function isRun(file) {
  const name = file.slice(file.lastIndexOf(sep) + 1)
  if (LICENSES.test(name)) return true
  return !(name.startsWith('.') || NOT_RUN.has(extname(name)) || NOT_RUN_FOLDERS.has(name))
}

/**
 * Whether a compiled file still has its source: a build leaves what earlier ones made.
 * @param {string} from @param {string} file
 */
function isCurrent(from, file) {
  if (!file.endsWith('.js')) return existsSync(join(from, 'src', relative(join(from, 'dist'), file)))
  return existsSync(join(from, 'src', relative(join(from, 'dist'), file)).replace(/[.]js$/, '.ts'))
}

/** @param {string} from @param {string} to @param {(file: string) => boolean} [filter] of paths below `from` */
async function copy(from, to, filter = () => true) {
  await mkdir(dirname(to), { recursive: true })
  await cp(from, to, { recursive: true, filter: (file) => file === from || filter(file) })
}

/** @param {string} path without .gz @param {string | Buffer} text */
async function writeCompressed(path, text) {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(`${path}.gz`, gzipSync(text, { level: 9 }))
}

/** @param {string} version @param {Date} released */
function debianChangelog(version, released) {
  const date = released.toUTCString().replace('GMT', '+0000')
  return `wazo-websocketd (1:${version}) unstable; urgency=medium

  * Release ${version}; see CHANGELOG.md in this directory.

 -- wazo-websocketd-cluster <wazo-websocketd-cluster@localhost>  ${date}
`
}

/** @param {string} directory @param {{ version: string, license: string }} node */
async function writeCopyright(directory, node) {
  const [form, own, ofNode] = await Promise.all(
    [new URL('files/copyright', import.meta.url), join(ROOT, 'LICENSE'), node.license].map((file) =>
      readFile(file, 'utf8'),
    ),
  )
  const indented = own.split('\n\n').slice(2).join('\n\n').trim().replace(/^$/gm, '.').replace(/^/gm, ' ')
  await writeFile(join(directory, 'copyright'), `${form}\nLicense: Expat\n${indented}\n`)
  await writeCompressed(join(directory, 'LICENSE.nodejs'), ofNode)
}
