/** Makes a fresh clone runnable: npm packages, and the compiled programs. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startGuarded } from '../../test/support/guard.mjs'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PACKAGES = ['shared', 'ingest', 'edge']
const SHOWN_LINES_MAX = 15

/** A step of the demo failed; the message is what to show. */
export class DemoError extends Error {}

/** Whether what package-lock.json names is installed. */
export function packagesInstalled() {
  const installed = join(ROOT, 'node_modules/.package-lock.json')
  if (!existsSync(installed)) return false
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages
  const present = JSON.parse(readFileSync(installed, 'utf8')).packages
  return Object.entries(wanted).every(
    ([path, { version, optional, link }]) =>
      path === '' ||
      optional ||
      link ||
      !path.startsWith('node_modules/') ||
      present[path]?.version === version,
  )
}

/** Whether every program was compiled after the last change of its sources. */
export function programsBuilt() {
  const newest = Math.max(...PACKAGES.map((name) => newestIn(join(ROOT, 'packages', name, 'src'))))
  return PACKAGES.every((name) => {
    const built = join(ROOT, 'packages', name, 'dist/tsconfig.tsbuildinfo')
    return existsSync(built) && statSync(built).mtimeMs >= newest
  })
}

/** @param {string} directory */
function newestIn(directory) {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  return Math.max(
    0,
    ...files.map(({ parentPath, path, name }) => statSync(join(parentPath ?? path, name)).mtimeMs),
  )
}

/** @throws {DemoError} with the end of npm's output */
export async function installPackages() {
  await runToEnd('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], 'npm ci')
}

/** @throws {DemoError} with the compiler's messages */
export async function buildPrograms() {
  await runToEnd(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b'],
    'the build (tsc -b)',
  )
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} what
 */
async function runToEnd(command, args, what) {
  const program = startGuarded(command, args, { cwd: ROOT })
  const { code, signal } = await program.exit.catch((error) => {
    throw new DemoError(`${what} could not be started: ${error.message}`)
  })
  if (code === 0) return
  const lines = program.output().trim().split('\n').slice(-SHOWN_LINES_MAX)
  throw new DemoError([`${what} failed (${signal ?? `status ${code}`}):`, ...lines].join('\n'))
}
