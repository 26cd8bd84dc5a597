/** Whether the programs are compiled, and their compilation. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startGuarded } from '../../test/support/guard.mjs'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PACKAGES = ['shared', 'ingest', 'edge']
const SHOWN_LINES_MAX = 15

/** A step of the demo failed; the message is what to show. */
export class DemoError extends Error {}

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

/** @throws {DemoError} with the compiler's messages */
export async function buildPrograms() {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const program = startGuarded(process.execPath, [compiler, '-b'], { cwd: ROOT })
  const { code, signal } = await program.exit
  if (code === 0) return
  const lines = program.output().trim().split('\n').slice(0, SHOWN_LINES_MAX)
  throw new DemoError([`the build (tsc -b) failed (${signal ?? `status ${code}`}):`, ...lines].join('\n'))
}
