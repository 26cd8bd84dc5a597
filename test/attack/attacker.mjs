/**
 * One kind of hostile client, many times over, in a process of its own.
 *
 * `node attacker.mjs KIND PORT COUNT TOKEN,TOKEN... ADDRESS`, with an IPC channel; ends with it. TOKENs are good ones;
 * ADDRESS is the one of the loopback interface that its connections come from.
 */
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'

const [kind = '', port = '', count = '', tokenList = '', localAddress = ''] = process.argv.slice(2)
const tokens = tokenList.split(',')
const PONG = Buffer.from([0x8a, 0x80, 1, 2, 3, 4])
const PONGS = Buffer.concat(Array(10_000).fill(PONG))
const SLOW_BYTE_MS = 1_000
const AGAIN_MS = 50
/** Connects per second are made in so many steps. */
const STEPS = 50
const OUTSTANDING_MAX = 3_000

/** @param {string} query */
const request = (query) =>
  `GET /?version=2${query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

/** @param {string} text */
function frame(text) {
  const body = Buffer.from(text)
  return Buffer.concat([Buffer.from([0x81, 0x80 | body.length, 0, 0, 0, 0]), body])
}

const START = [frame('{"op":"subscribe","data":{"event_name":"*"}}'), frame('{"op":"start"}')]

/** @param {() => void} [connected] */
const dial = (connected) => connect({ port: Number(port), host: '127.0.0.1', localAddress }, connected)

/**
 * Opens a connection, and another one whenever it ends.
 * @param {(socket: import('node:net').Socket) => void} use
 */
function again(use) {
  const socket = dial(() => use(socket))
  socket.on('error', () => undefined)
  socket.on('close', () => setTimeout(() => again(use), AGAIN_MS))
}

/** @param {import('node:net').Socket} socket @param {Buffer} bytes */
function flood(socket, bytes) {
  const more = () => {
    while (!socket.destroyed && socket.write(bytes));
  }
  socket.on('drain', more)
  more()
}

/** @param {number} index */
const tokenOf = (index) => `&token=${tokens[index % tokens.length]}`

/** @type {Record<string, (index: number) => void>} */
const KINDS = {
  slowloris: () =>
    again((socket) => {
      socket.write('GET / HTTP/1.1\r\nX-Slow: ')
      const timer = setInterval(() => socket.write('x'), SLOW_BYTE_MS)
      socket.on('close', () => clearInterval(timer)).resume()
    }),
  deaf: (index) =>
    again((socket) => {
      socket.write(request(tokenOf(index)))
      socket.once('data', () => {
        for (const each of START) socket.write(each)
        setTimeout(() => socket.pause(), 500)
      })
    }),
  bombs: (index) =>
    again((socket) => {
      socket.write(request(tokenOf(index)))
      socket.once('data', () => {
        for (const each of START) socket.write(each)
      })
      socket.resume()
    }),
  pongs: (index) =>
    again((socket) => {
      socket.write(request(tokenOf(index)))
      socket.once('data', () => flood(socket, PONGS))
    }),
  'after-close': () =>
    again((socket) => {
      socket.write(request(''))
      socket.once('data', () => flood(socket, PONGS))
    }),
}

let outstanding = 0
function connects() {
  for (let n = 0; n < Number(count) / STEPS && outstanding < OUTSTANDING_MAX; n++) {
    outstanding += 1
    const socket = dial(() => socket.write(request(`&token=${randomUUID()}`)))
    socket.on('data', (data) => {
      if (data.at(-1) !== 10) socket.destroy()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => (outstanding -= 1))
  }
}

if (kind === 'connects') setInterval(connects, 1_000 / STEPS)
else if (kind === 'burn') {
  // COUNT: the share of a core, in percent.
  const burn = () => {
    const until = performance.now() + Number(count)
    while (performance.now() < until);
    setTimeout(burn, 100 - Number(count))
  }
  burn()
} else for (let i = 0; i < Number(count); i++) KINDS[kind]?.(i)
process.on('disconnect', () => process.exit(0))
