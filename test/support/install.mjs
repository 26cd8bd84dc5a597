/**
 * Installs what a run needs and the machine lacks. Runs before any npm package is there: `node:` only.
 * Where it cannot install, it says in one line what to type.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { startGuarded } from './guard.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NODE_MIN = [20, 19]
const LOCKED_TRIES_MAX = 60
const LOCKED_WAIT_MS = 5000
const TTY_EVERY_MS = 1_000
const DOT_EVERY_MS = 5_000
const NPM_LINES_MAX = 4
const POLICY = '/usr/sbin/policy-rc.d'
const SYSTEM_DIRECTORIES = ['/usr/sbin', '/sbin', '/usr/local/sbin']

/** Command -> the Debian package that has it. */
const PACKAGES = {
  'redis-server': 'redis-server',
  'rabbitmq-server': 'rabbitmq-server',
  nginx: 'nginx-light',
  haproxy: 'haproxy',
  promtool: 'prometheus',
  amtool: 'prometheus-alertmanager',
  openssl: 'openssl',
  chromium: 'chromium',
  debootstrap: 'debootstrap',
  logrotate: 'logrotate',
  wsdump: 'python3-websocket',
}

/** @typedef {keyof typeof PACKAGES} Command */

/** What only the person at the keyboard can mend; the message is one line. */
export class NeedsHelp extends Error {
  name = 'NeedsHelp'
}

/**
 * Runs a program's beginning; a NeedsHelp ends the process with its line and status 1.
 * @param {() => Promise<void>} steps
 */
export async function orExplain(steps) {
  try {
    await steps()
  } catch (error) {
    if (!(error instanceof NeedsHelp)) throw error
    console.error(error.message)
    process.exit(1)
  }
}

/** @throws {NeedsHelp} when this Node is too old */
export function ensureNode(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [majorMin = 0, minorMin = 0] = NODE_MIN
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return
  throw new NeedsHelp(
    `Node ${NODE_MIN.join('.')} or newer is needed, this is ${version}: install it from https://nodejs.org`,
  )
}

/** `npm ci`, unless node_modules holds what package-lock.json names. */
export async function ensureNpm() {
  if (npmIsComplete()) return
  const { code, output } = await withProgress('Installing the npm packages (npm ci)', runNpm)
  if (code !== 0)
    throw new NeedsHelp(
      `npm ci failed in ${ROOT} (${npmErrorOf(output)}): run it there and mend what it says`,
    )
}

/** Ends with this process, whatever ends that: two at once in one folder would break it. */
async function runNpm() {
  const npm = startGuarded('npm', ['ci', '--no-audit', '--no-fund'], { cwd: ROOT })
  const code = await npm.exit.then(
    (exit) => exit.code,
    () => -1,
  )
  return { code, output: npm.output() }
}

/**
 * Shows that something lasts: the seconds so far in a terminal, else a dot now and then.
 * @template T
 * @param {string} what
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function withProgress(what, work) {
  const { isTTY = false } = process.stderr
  const began = performance.now()
  const seconds = () => Math.round((performance.now() - began) / 1000)
  process.stderr.write(`${what} ...`)
  const timer = setInterval(
    () => process.stderr.write(isTTY ? `\r${what} ... ${seconds()} s` : '.'),
    isTTY ? TTY_EVERY_MS : DOT_EVERY_MS,
  )
  try {
    return await work()
  } finally {
    clearInterval(timer)
    process.stderr.write(`${isTTY ? `\r${what} ...` : ''} ${seconds()} s\n`)
  }
}

/**
 * What npm says of its failure: its code and first lines, without the name of its log file.
 * @param {string} output
 * @returns {string}
 */
export function npmErrorOf(output) {
  const errors = output
    .split('\n')
    .flatMap((line) => /^npm (?:error|ERR!) (.*\S)/.exec(line)?.[1] ?? [])
    .filter((line) => !/complete log of this run|^\/.*\.log$/.test(line))
  return errors.length === 0 ? lastLine(output) : errors.slice(0, NPM_LINES_MAX).join('; ')
}

function npmIsComplete() {
  const installed = join(ROOT, 'node_modules/.package-lock.json')
  if (!existsSync(installed)) return false
  const wanted = lockedPackages(join(ROOT, 'package-lock.json'))
  const present = lockedPackages(installed)
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || entry.optional === true || entry.peer === true || entry.link === true) return true
    return !path.startsWith('node_modules/') || present[path]?.version === entry.version
  })
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean, peer?: boolean, link?: boolean }>}
 */
function lockedPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}

/**
 * Makes sure that commands are there; installs their Debian packages, without starting a service, when this
 * is root on a machine with apt-get.
 * @param {readonly Command[]} commands
 * @throws {NeedsHelp} naming the line to type
 */
export async function ensureDebian(commands) {
  const missing = commands.filter((command) => !isInstalled(command))
  if (missing.length === 0) return
  const packages = missing.map((command) => PACKAGES[command])
  if (!isInstalled('apt-get'))
    throw new NeedsHelp(
      `missing: ${missing.join(', ')}. Install them with this system's package manager and put them on the PATH.`,
    )
  const root = process.getuid?.() === 0
  const line = `apt-get update && ${root ? '' : 'sudo '}apt-get install -y --no-install-recommends ${packages.join(' ')}`
  if (!root) throw new NeedsHelp(`missing: ${missing.join(', ')}. Type: sudo ${line}`)
  console.error(`Installing ${packages.join(', ')} (apt-get), services not started ...`)
  const failure = await withoutStartingServices(() => aptInstall(packages))
  const still = commands.filter((command) => !isInstalled(command))
  if (failure !== null || still.length > 0)
    throw new NeedsHelp(
      `apt-get could not install ${packages.join(', ')} (${failure ?? 'no error'}). Type: ${line}`,
    )
}

/** @param {string} command */
export function isInstalled(command) {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_DIRECTORIES]
  return directories.some((directory) => {
    try {
      accessSync(join(directory, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/**
 * @param {readonly string[]} packages
 * @returns {Promise<string | null>} what went wrong
 */
async function aptInstall(packages) {
  const update = await unlocked(['update'])
  const install = await unlocked(['install', '-y', '--no-install-recommends', ...packages])
  if (install.code === 0) return null
  return lastLine(update.code === 0 ? install.output : update.output)
}

/**
 * Runs apt-get, again and again while another one holds the lock.
 * @param {readonly string[]} args
 */
async function unlocked(args) {
  for (let tries = 1; ; tries++) {
    const result = await run('apt-get', args, { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' })
    const locked = result.code !== 0 && /Could not get lock|Unable to (acquire|lock)/.test(result.output)
    if (!locked || tries === LOCKED_TRIES_MAX) return result
    if (tries === 1) console.error('Another package manager is at work; waiting for it ...')
    await new Promise((resolve) => setTimeout(resolve, LOCKED_WAIT_MS))
  }
}

/**
 * Debian asks /usr/sbin/policy-rc.d whether a package may start its service; 101 forbids it. One that is
 * there already is somebody else's and stays as it is.
 * @template T
 * @param {() => Promise<T>} task
 * @returns {Promise<T>}
 */
async function withoutStartingServices(task) {
  try {
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' })
  } catch {
    return task()
  }
  const remove = () => unlinkSync(POLICY)
  const interrupted = () => process.exit(130)
  process.once('exit', remove)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, interrupted)
  try {
    return await task()
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, interrupted)
    process.off('exit', remove)
    remove()
  }
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{ code: number | null, output: string }>}
 */
function run(command, args, env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => void (output += chunk))
    child.once('error', (error) => resolve({ code: -1, output: error.message }))
    child.once('close', (code) => resolve({ code, output }))
  })
}

/** @param {string} output */
function lastLine(output) {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  return lines.findLast((line) => /^E: |npm error/.test(line)) ?? lines.at(-1) ?? 'no output'
}

// node test/support/install.mjs: the npm packages only, for who wants to build, lint or type-check.
if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  await orExplain(async () => {
    ensureNode()
    await ensureNpm()
  })
