/**
 * Prints the events that a token may see, one JSON text a line:
 *
 *     node deploy/demo/tail.mjs --url ws://127.0.0.1:9502/ --token TOKEN [event name ...]
 *
 * A client of sixty lines: the whole protocol is here.
 */
import { parseArgs } from 'node:util'
import { WebSocket } from 'ws'

const EVENT_PREFIX = '{"op":"event","code":0,"data":'
const USAGE = 'Usage: node deploy/demo/tail.mjs --url ws://HOST:PORT/ --token TOKEN [event name ...]'

/** @param {string} line @param {number} status @returns {never} */
function end(line, status) {
  console.error(line)
  process.exit(status)
}

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      options: { url: { type: 'string' }, token: { type: 'string' } },
      allowPositionals: true,
    })
    const { url, token } = values
    if (url === undefined || token === undefined || !/^wss?:\/\//.test(url) || !URL.canParse(url)) return null
    return { url: new URL(url), token, names: positionals.length === 0 ? ['*'] : positionals }
  } catch {
    return null
  }
}

const options = readOptions() ?? end(USAGE, 64)
options.url.searchParams.set('token', options.token)
options.url.searchParams.set('version', '2')
const socket = new WebSocket(options.url)

/** @param {object} message */
const send = (message) => socket.send(JSON.stringify(message))

socket.on('message', (data) => {
  const text = data.toString()
  if (text.startsWith(EVENT_PREFIX)) process.stdout.write(`${text.slice(EVENT_PREFIX.length, -1)}\n`)
  else if (JSON.parse(text).op === 'init') {
    for (const name of options.names) send({ op: 'subscribe', data: { event_name: name } })
    send({ op: 'start' })
  }
})
socket.on('error', (error) => end(`cannot connect to ${options.url.host}: ${error.message}`, 1))
socket.on('close', (code, reason) => end(`closed by the server: ${code} ${reason}`, 1))
process.stdout.on('error', () => process.exit(0)) // `| head` has seen enough
