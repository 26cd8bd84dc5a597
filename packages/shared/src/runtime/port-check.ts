import { connect, createServer } from 'node:net'
import { listenError } from './startup-error.js'

/** Somebody of this machine accepts at once. */
const ACCEPTED_MS_MAX = 500
/** Addresses that mean all of this machine, and where to ask whether somebody listens there. */
const EVERY_ADDRESS: ReadonlyMap<string, string> = new Map([
  ['', '127.0.0.1'],
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
])

/**
 * Finds a port that cannot be had before anything else is started: somebody listens there, or the address is not of this
 * machine. It does not listen on the port itself: whoever waits for the program would take it for that. `keys` are the
 * configuration keys that choose the address.
 * @throws StartupError in one line that says what is wrong and what to do.
 */
export async function checkPort(host: string, port: number, keys: string): Promise<void> {
  await tryAddress(host).catch((error: unknown) => {
    throw listenError(error, host, port, keys)
  })
  if (port !== 0 && (await isListenedOn(EVERY_ADDRESS.get(host) ?? host, port)))
    throw listenError(Object.assign(new Error('in use'), { code: 'EADDRINUSE' }), host, port, keys)
}

/** Listens on any port of the address for a moment. */
function tryAddress(host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.on('error', reject)
    server.listen({ host, port: 0, exclusive: true }, () => server.close(() => resolve()))
  })
}

function isListenedOn(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: ACCEPTED_MS_MAX })
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => end(true))
    socket.once('timeout', () => end(false))
    socket.once('error', () => end(false))
  })
}
