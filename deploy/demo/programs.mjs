/** The programs of the demo: started, watched until they are ready, and reported when they end too early. */
import { startGuarded } from '../../test/support/guard.mjs'
import { DemoError } from './prepare.mjs'

const READY_MS_MAX = 60_000
const ASK_EVERY_MS = 100
/** What goes wrong only for a moment is over by then. */
const ERROR_AFTER_MS = 4_000
const STOP_GRACE_MS = 8_000

/**
 * Starts a Node program. `failed` is called once when it ends by itself.
 * @param {string} name for messages
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, failed: (error: DemoError) => void }} options
 * @returns {DemoProgram}
 * @typedef {object} DemoProgram
 * @property {() => Promise<void>} stop
 * @property {(signal: NodeJS.Signals) => void} signal
 * @property {() => string | null} lastError the last error in its log
 */
export function startNode(name, args, { cwd, env = {}, failed }) {
  const program = startGuarded(process.execPath, args, { cwd, env: { ...inherited(), ...env } })
  let stopping = false
  program.exit.then(
    ({ code, signal }) => {
      const how = signal === null ? `status ${code}` : signal
      if (!stopping) failed(new DemoError(`${name} ended (${how}): ${lastWords(program.output())}`))
    },
    (error) => failed(new DemoError(`${name} could not be started: ${error.message}`)),
  )
  return {
    signal: program.kill,
    lastError: () => lastErrorIn(program.output()),
    async stop() {
      stopping = true
      await program.terminate('SIGTERM', STOP_GRACE_MS)
    },
  }
}

/** This environment without the variables that the programs read: the demo does not inherit a real installation's. */
function inherited() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(WAZO_WEBSOCKETD_.*|XIVO_UUID)$/.test(name)),
  )
}

/**
 * The line that says most about a program's end: its last logged error, else its last line.
 * @param {string} output
 */
function lastWords(output) {
  return lastErrorIn(output) ?? (output.trim().split('\n').at(-1) || 'it said nothing')
}

/**
 * @param {string} output
 * @returns {string | null}
 */
function lastErrorIn(output) {
  const errors = output
    .split('\n')
    .map(logLine)
    .filter((line) => line !== null && isError(line.level))
  const { msg, err } = errors.at(-1) ?? {}
  if (msg === undefined) return null
  return err?.message === undefined ? msg : `${msg}: ${err.message}`
}

/** @param {string} line */
function logLine(line) {
  try {
    const parsed = JSON.parse(line)
    return typeof parsed === 'object' ? parsed : null
  } catch {
    return null
  }
}

/** @param {unknown} level a number of pino's or a name */
function isError(level) {
  return typeof level === 'number' ? level >= 50 : /^(error|critical|fatal)$/i.test(String(level))
}

/**
 * Waits until `http://127.0.0.1:<port>/readyz` answers 200.
 * @param {string} name for messages
 * @param {number} port
 * @param {(() => string | null) | null} [lastError] asked after some seconds: an error then is not waited out
 * @throws {DemoError} naming what is missing
 */
export async function untilReady(name, port, lastError = null) {
  const deadline = performance.now() + READY_MS_MAX
  const errorsFrom = performance.now() + ERROR_AFTER_MS
  let answer = 'no answer on its metrics port'
  while (performance.now() < deadline) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(1000) })
      answer = (await response.text()).trim()
      if (response.ok) return
    } catch {
      // Not listening yet.
    }
    const error = performance.now() > errorsFrom ? (lastError?.() ?? null) : null
    if (error !== null) throw new DemoError(`${name} cannot begin: ${error}`)
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS))
  }
  throw new DemoError(`${name} is not ready after ${READY_MS_MAX / 1000} s: ${answer}`)
}
