/** Runs the programs under test, from source or built, whichever the tests themselves run in. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startGuarded, temporaryDirectory } from './guard.mjs'
import { waitFor } from './wait.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Whether the programs (and the imports of the tests) come from `src`. */
export const fromSource = process.execArgv.some((argument) => /^--conditions=source$|^source$/.test(argument))

/** Each program's package and its composition root. */
const PROGRAMS = {
  ingest: ['ingest', 'main'],
  edge: ['edge', 'main'],
  tail: ['edge', 'tail'],
  publish: ['ingest', 'publish-events'],
}

/**
 * The command line that runs a program.
 * @param {keyof typeof PROGRAMS} name
 * @returns {{ command: string, args: string[] }}
 */
export function programCommand(name) {
  const [folder, root] = PROGRAMS[name]
  const source = [
    '--import',
    'tsx', // found from the root, where the program runs (import.meta.resolve is missing under tsx's require)
    '--conditions=source',
    join(ROOT, 'packages', folder, 'src', `${root}.ts`),
  ]
  const built = [join(ROOT, 'packages', folder, 'bin', `wazo-websocketd-${name}.js`)]
  return { command: process.execPath, args: fromSource ? source : built }
}

/**
 * @typedef {object} Program
 * @property {number} pid
 * @property {() => string} logs standard output and standard error
 * @property {Promise<{ code: number | null, signal: NodeJS.Signals | null }>} exit
 * @property {(signal: NodeJS.Signals) => void} kill
 * @property {(signal: NodeJS.Signals) => void} killGroup the program and all that it started
 * @property {(port: number, timeoutMs?: number) => Promise<void>} ready waits until /readyz on the metrics port answers 200
 * @property {(signal?: NodeJS.Signals, graceMs?: number) => Promise<{ code: number | null, signal: NodeJS.Signals | null }>} stop
 */

/**
 * @param {'ingest' | 'edge'} name
 * @param {{ config?: object, configFile?: string, env?: Record<string, string>, args?: readonly string[], openFiles?: number }} options
 *   `config` is written to a temporary file, which `-c` names; the environment is this process's without
 *   the variables that the programs read; `openFiles` is the limit of open files, of each process
 * @returns {Promise<Program>}
 */
export async function startProgram(name, { config = {}, configFile, env = {}, args = [], openFiles }) {
  const file = configFile ?? (await writeConfig(name, config))
  const { command, args: base } = programCommand(name)
  const line = [command, ...base, '-c', file, ...args]
  // `prlimit` becomes the program: the process stays the same.
  const limited = openFiles === undefined ? line : ['prlimit', `--nofile=${openFiles}:${openFiles}`, ...line]
  const program = startGuarded(limited[0], limited.slice(1), {
    cwd: ROOT,
    env: { ...inherited(), ...env },
  })
  return {
    pid: program.pid,
    logs: program.output,
    exit: program.exit,
    kill: program.kill,
    killGroup: program.killGroup,
    async ready(port, timeoutMs = 15_000) {
      const answers = async () => {
        if (program.ended()) throw new Error(`${name} ended before it was ready:\n${program.output()}`)
        return readyz(port)
      }
      await waitFor(answers, { timeoutMs, everyMs: 50, what: `${name} to be ready` }).catch((error) => {
        throw new Error(`${error.message}\n${program.output()}`)
      })
    },
    async stop(signal = 'SIGTERM', graceMs = 40_000) {
      await program.terminate(signal, graceMs)
      return program.exit
    },
  }
}

/** @param {string} name @param {object} config */
async function writeConfig(name, config) {
  const directory = await temporaryDirectory(name)
  const file = join(directory, 'config.yml')
  // Without these keys a machine's own /etc/wazo-websocketd/conf.d would take part, and its socket be meant. JSON is YAML.
  const quiet = { extra_config_files: join(directory, 'conf.d'), admin: { socket: null } }
  await writeFile(file, JSON.stringify({ ...quiet, ...config }, null, 2))
  return file
}

function inherited() {
  const entries = Object.entries(process.env)
  return Object.fromEntries(entries.filter(([name]) => !/^(WAZO_WEBSOCKETD_|XIVO_UUID$)/.test(name)))
}

/** @param {number} port */
async function readyz(port) {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(1000) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}
