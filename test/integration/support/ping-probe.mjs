/**
 * A client in a process of its own that measures how long its pings take.
 *
 * `node ping-probe.mjs URL TOKEN`, with an IPC channel: says `started` once its session is, and answers each
 * message with the longest time in milliseconds of a pong since the one before, pongs still due included.
 */
import { WebSocket } from 'ws'

// Below the rate that a session is allowed.
const EVERY_MS = 30

const [url, token] = process.argv.slice(2)
const socket = new WebSocket(`${url}/?token=${token}&version=2`, { perMessageDeflate: false })
/** When the pings that are under way were sent, by number. @type {Map<number, number>} */
const underWay = new Map()
let next = 0
let longest = 0
let pongs = 0

socket.on('open', () => socket.send('{"op":"start"}'))
socket.on('message', (data) => {
  const message = JSON.parse(data.toString())
  if (message.op === 'start') {
    setInterval(ping, EVERY_MS)
    process.send?.('started')
  } else if (message.op === 'pong') {
    longest = Math.max(longest, age(message.data.payload))
    underWay.delete(message.data.payload)
    pongs++
  }
})
socket.on('close', (code, reason) => {
  console.error(`ping probe closed with ${code} ${reason}`)
  process.exit(1)
})
socket.on('error', () => {})

process.on('message', () => {
  for (const number of underWay.keys()) longest = Math.max(longest, age(number))
  process.send?.({ longest, pongs })
  longest = 0
  pongs = 0
})
process.on('disconnect', () => process.exit(0))

function ping() {
  underWay.set(next, performance.now())
  socket.send(`{"op":"ping","data":{"payload":${next++}}}`)
}

/** @param {number} number */
function age(number) {
  return performance.now() - (underWay.get(number) ?? NaN)
}
