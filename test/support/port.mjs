import { connect, createServer } from 'node:net'

// Below the range from which Linux takes the ports of outgoing connections: those of a load test would
// otherwise take a free port between its choice and its use.
const PORT_MIN = 20_000
const PORT_MAX = 32_700
const TRIES_MAX = 100

/**
 * A TCP port of the loopback interface that nobody listens on. No other process that asks here is given it before
 * this one has ended: a program listens up to a second later, and many are started at a time.
 * @returns {Promise<number>}
 */
export async function freePort() {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN))
    if ((await reserved(port)) && (await bindable(port))) return port
  }
  throw new Error(`no free port between ${PORT_MIN} and ${PORT_MAX}`)
}

/**
 * Reserves a port until this process ends, by an abstract Unix socket (unix(7)), which needs no file.
 * @param {number} port @returns {Promise<boolean>} whether it was this process that got it
 */
function reserved(port) {
  return new Promise((resolve) => {
    const server = createServer().unref()
    server.once('error', () => resolve(false))
    server.listen(`\0wazo-websocketd-test-port-${port}`, () => resolve(true))
  })
}

/** @param {number} port @returns {Promise<boolean>} */
function bindable(port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/**
 * Sends `request` to a port and waits for the first bytes of an answer.
 * @param {number} port
 * @param {string | Buffer} request
 * @param {number} [timeoutMs]
 * @returns {Promise<Buffer | null>} null when nobody answers in time
 */
export function probe(port, request, timeoutMs = 500) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => void socket.write(request))
    /** @param {Buffer | null} answer */
    const done = (answer) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(timeoutMs, () => done(null))
    socket.once('data', done)
    socket.once('error', () => done(null))
    socket.once('close', () => done(null))
  })
}
