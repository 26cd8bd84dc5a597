/** A redis-server of one's own on a free port, without persistence unless asked for. */
import { startGuarded, temporaryDirectory } from './guard.mjs'
import { freePort, probe } from './port.mjs'
import { waitFor } from './wait.mjs'

const START_TRIES_MAX = 3

/**
 * @typedef {object} Redis
 * @property {string} url
 * @property {number} port
 * @property {number} pid
 * @property {() => Promise<void>} stop ends it in order (it writes what its persistence asks for)
 * @property {(signal?: NodeJS.Signals) => Promise<void>} kill resolves when a deadly signal has ended it
 * @property {() => void} pause SIGSTOP
 * @property {() => void} resume SIGCONT
 */

/**
 * @param {{ password?: string, port?: number, dir?: string, args?: readonly string[] }} [options] `args` are
 *   added to the command line and win, for example `['--appendonly', 'yes']`; with `port` and `dir` a
 *   stopped one can be started again where it was.
 * @returns {Promise<Redis>}
 */
export async function startRedis(options = {}) {
  const dir = options.dir ?? (await temporaryDirectory('redis'))
  for (let tries = 1; ; tries++) {
    try {
      return await start(options, options.port ?? (await freePort()), dir)
    } catch (error) {
      if (options.port !== undefined || tries === START_TRIES_MAX) throw error
    }
  }
}

/**
 * @param {{ password?: string, args?: readonly string[] }} options
 * @param {number} port
 * @param {string} dir
 * @returns {Promise<Redis>}
 */
async function start({ password, args = [] }, port, dir) {
  const base = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no']
  const auth = password === undefined ? [] : ['--requirepass', password]
  const server = startGuarded('redis-server', [...base, ...auth, ...args])
  const ready = async () => {
    if (server.ended())
      throw new Error(`redis-server on port ${port} did not start: ${server.output().trim()}`)
    const answer = await probe(port, 'PING\r\n')
    return answer !== null && /^(\+PONG|-NOAUTH)/.test(answer.toString())
  }
  await Promise.race([
    waitFor(ready, { timeoutMs: 10_000, everyMs: 10, what: `redis-server on port ${port}` }),
    server.exit.then(() =>
      Promise.reject(new Error(`redis-server on port ${port} ended: ${server.output().trim()}`)),
    ),
  ])
  const credentials = password === undefined ? '' : `:${encodeURIComponent(password)}@`
  return {
    url: `redis://${credentials}127.0.0.1:${port}`,
    port,
    pid: server.pid,
    stop: () => server.terminate(),
    async kill(signal = 'SIGKILL') {
      server.kill(signal)
      if (signal === 'SIGKILL' || signal === 'SIGTERM') await server.exit
    },
    pause: () => server.kill('SIGSTOP'),
    resume: () => server.kill('SIGCONT'),
  }
}
