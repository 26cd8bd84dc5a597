/**
 * Starts processes that cannot outlive the process that started them.
 *
 * A shell of a megabyte waits at the end of a pipe. Whatever ends this process (a return, Ctrl-C, `kill -9`)
 * closes the pipe, and the shell then kills what is still registered and removes the temporary directory.
 * So no exit handler has to run, and none can be forgotten.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const WATCHDOG = `
trap '' INT TERM HUP
groups=''
while read -r verb group; do
  kept=''
  for known in $groups; do [ "$known" = "$group" ] || kept="$kept $known"; done
  groups=$kept
  [ "$verb" = keep ] && groups="$groups $group"
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
rm -rf -- "$1" || { sleep 0.3; rm -rf -- "$1"; }
`
const TERMINATION_GRACE_MS = 5000

/** What .ci/run recognises the processes of a run by; passed on where the environment is otherwise a new one. */
export const runId = process.env.WAZO_RUN_ID === undefined ? {} : { WAZO_RUN_ID: process.env.WAZO_RUN_ID }

/** @type {{ root: string, write(line: string): void } | undefined} */
let watchdog

function guard() {
  if (watchdog !== undefined) return watchdog
  const root = mkdtempSync(join(tmpdir(), 'wazo-websocketd-'))
  const shell = spawn('/bin/sh', ['-c', WATCHDOG, 'watchdog', root], {
    detached: true,
    cwd: '/',
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', ...runId },
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.unref()
  shell.stdin.on('error', () => {}) // the watchdog was killed: nothing is left to tell it
  const pipe = /** @type {import('node:net').Socket} */ (/** @type {unknown} */ (shell.stdin))
  pipe.unref()
  watchdog = { root, write: (line) => void shell.stdin.write(line) }
  return watchdog
}

/**
 * A fresh directory that is removed when this process has ended.
 * @param {string} name what it is for
 * @returns {Promise<string>} its absolute path
 */
export async function temporaryDirectory(name) {
  const path = join(guard().root, `${name}-${Math.random().toString(36).slice(2, 10)}`)
  await mkdir(path, { recursive: true })
  return path
}

/**
 * Starts a process, leader of a process group of its own, whose group is killed when this process ends.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Guarded}
 * @typedef {object} Guarded
 * @property {number} pid
 * @property {Promise<{ code: number | null, signal: NodeJS.Signals | null }>} exit
 * @property {() => boolean} ended
 * @property {() => string} output what it wrote to standard output and standard error, the last megabyte
 * @property {(signal: NodeJS.Signals) => void} kill signals the process; nothing happens when it has ended
 * @property {(signal: NodeJS.Signals) => void} killGroup the same for all that it started
 * @property {() => void} unref lets this process end (and take it along) while it still runs
 * @property {(signal?: NodeJS.Signals, graceMs?: number) => Promise<void>} terminate signals the process, kills the group after the grace, and resolves when it has ended
 */
export function startGuarded(command, args, options = {}) {
  const { write } = guard()
  const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = collect(child)
  let ended = false
  /** @type {Guarded['exit']} */
  const exit = new Promise((resolve, reject) => {
    child.once('error', (error) => {
      ended = true
      reject(error)
    })
    child.once('exit', (code, signal) => {
      ended = true
      if (child.pid !== undefined && !signalled(-child.pid, 0)) write(`forget ${child.pid}\n`)
      resolve({ code, signal })
    })
  })
  exit.catch(() => {}) // a caller that does not wait for the end is not told about a failed start here
  const pid = child.pid ?? -1
  if (pid > 0) write(`keep ${pid}\n`)
  /** @param {NodeJS.Signals} signal */
  const killGroup = (signal) => void (pid > 0 && signalled(-pid, signal))
  return {
    pid,
    exit,
    ended: () => ended,
    output,
    kill: (signal) => void (!ended && child.kill(signal)),
    killGroup,
    unref() {
      child.unref()
      for (const stream of [child.stdout, child.stderr])
        /** @type {import('node:net').Socket} */ (/** @type {unknown} */ (stream)).unref()
    },
    async terminate(signal = 'SIGTERM', graceMs = TERMINATION_GRACE_MS) {
      if (!ended) {
        child.kill(signal)
        child.kill('SIGCONT')
        const timer = setTimeout(() => killGroup('SIGKILL'), graceMs)
        await exit.catch(() => {})
        clearTimeout(timer)
      }
      killGroup('SIGKILL')
      write(`forget ${pid}\n`)
    },
  }
}

/**
 * @param {number} pid
 * @param {NodeJS.Signals | 0} signal
 * @returns {boolean} whether there was somebody to signal
 */
function signalled(pid, signal) {
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}

const OUTPUT_CHARACTERS_MAX = 1 << 20

/** @param {import('node:child_process').ChildProcessByStdio<null, import('node:stream').Readable, import('node:stream').Readable>} child */
function collect(child) {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (/** @type {string} */ chunk) => {
      text = (text + chunk).slice(-OUTPUT_CHARACTERS_MAX)
    })
  }
  return () => text
}
