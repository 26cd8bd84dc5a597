/**
 * Honest clients in a process of their own: sessions that ping and take events, and newcomers.
 *
 * `node honest.mjs PORT SESSIONS TOKEN,TOKEN...`, with an IPC channel: says `started`, and answers each message with what
 * has happened since the one before.
 */
import { WebSocket } from 'ws'

const [port = '', sessions = '', tokenList = ''] = process.argv.slice(2)
const tokens = tokenList.split(',')
const PING_EVERY_MS = 100
const NEWCOMER_EVERY_MS = 200

/** @type {number[]} */
let pings = []
/** @type {number[]} */
let newcomers = []
let refused = 0
let closed = 0
/** Events out of order, missing or twice. */
let faults = 0
let events = 0
let started = 0

/** @param {number} index */
const open = (index) =>
  new WebSocket(`ws://127.0.0.1:${port}/?version=2&token=${tokens[index % tokens.length]}`, {
    perMessageDeflate: false,
  })

for (let i = 0; i < Number(sessions); i++) {
  const socket = open(i)
  let last = -1
  socket.on('open', () => {
    socket.send('{"op":"subscribe","data":{"event_name":"numbered"}}')
    socket.send('{"op":"start"}')
  })
  socket.on('message', (data) => {
    const message = JSON.parse(data.toString())
    if (message.op === 'pong') pings.push(performance.now() - message.data.payload)
    else if (message.op === 'start') {
      started += 1
      if (started === Number(sessions)) process.send?.('started')
      setInterval(() => {
        socket.send(JSON.stringify({ op: 'ping', data: { payload: performance.now() } }))
      }, PING_EVERY_MS)
    } else if (message.op === 'event') {
      const { n } = message.data.data
      events += 1
      if (last !== -1 && n !== last + 1) faults += 1
      last = n
    }
  })
  socket.on('close', () => (closed += 1))
  socket.on('error', () => undefined)
}

let next = 0
setInterval(() => {
  const from = performance.now()
  const socket = open(next++)
  socket.once('message', () => {
    newcomers.push(performance.now() - from)
    socket.terminate()
  })
  socket.on('close', (code) => {
    if (code !== 1006) refused += 1
  })
  socket.on('error', () => (refused += 1))
}, NEWCOMER_EVERY_MS)

process.on('message', () => {
  process.send?.({ pings, newcomers, refused, closed, faults, events })
  pings = []
  newcomers = []
  refused = 0
})
process.on('disconnect', () => process.exit(0))
