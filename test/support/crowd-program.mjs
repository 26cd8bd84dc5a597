/**
 * Many clients in a process of their own, so that they take no time from those who measure. Forked by crowd.ts,
 * which says what to do: see `Order` there. Each client does what any client of Wazo does: it connects,
 * subscribes, starts, and connects again when its connection breaks.
 */
import { WebSocket } from 'ws'

const JOINING_MAX = 100
/** Only when a connection has not even come about; one that was up is made anew at once. */
const RETRY_MS = 200
const NUMBER = /"n":(\d+)/

class Member {
  /** Whether the present connection has got as far as the reply to `start`. */
  started = false
  /** Events since the last `clear`, by number. @type {Map<number, number>} */
  events = new Map()
  /** Whether an event came after one of a higher number. */
  disordered = false
  last = -1

  /** @param {string} address @param {() => void} changed */
  constructor(address, changed) {
    this.address = address
    this.changed = changed
  }

  connect() {
    const socket = new WebSocket(this.address, { perMessageDeflate: false })
    this.socket = socket
    let wasOpen = false
    socket.on('open', () => {
      wasOpen = true
      socket.send('{"op":"subscribe","data":{"event_name":"numbered"}}')
      socket.send('{"op":"start"}')
    })
    socket.on('message', (data) => this.message(data.toString('latin1')))
    socket.on('error', (error) => count(errors, error.code ?? error.message))
    socket.on('close', (code) => {
      this.started = false
      count(closes, `${code}`)
      if (staysAway) return
      if (wasOpen) this.connect()
      else setTimeout(() => this.connect(), RETRY_MS)
    })
  }

  clear() {
    this.events.clear()
    this.disordered = false
    this.last = -1
  }

  /** @param {string} text */
  message(text) {
    if (text.startsWith('{"op":"event"')) {
      const n = Number(NUMBER.exec(text)?.[1])
      this.events.set(n, (this.events.get(n) ?? 0) + 1)
      if (n <= this.last) this.disordered = true
      this.last = n
      received++
    } else if (text.startsWith('{"op":"start","code":0')) {
      this.started = true
      this.changed()
    }
  }
}

/** @type {Member[]} */
const members = []
/** Ends of connections by close code, and errors by name, since the last `clear`. @type {Record<string, number>} */
let closes = {}
/** @type {Record<string, number>} */
let errors = {}
let received = 0
let staysAway = false

/** @type {Record<string, (order: any) => unknown>} */
const orders = {
  /** Connects to each address, some at a time; answers when all have started. */
  async join({ addresses }) {
    let next = 0
    await new Promise((resolve) => {
      const more = () => {
        while (next < addresses.length && next - startedMembers() < JOINING_MAX) {
          const member = new Member(addresses[next++], more)
          members.push(member)
          member.connect()
        }
        if (startedMembers() === addresses.length) resolve(undefined)
      }
      more()
    })
  },
  /** Drops every connection at once; each client comes back at once by itself. */
  storm() {
    for (const { socket } of members) socket?.terminate()
  },
  stayAway() {
    staysAway = true
  },
  clear() {
    for (const member of members) member.clear()
    closes = {}
    errors = {}
    received = 0
  },
  state: () => ({ started: startedMembers(), received, closes, errors }),
  /** Of each number from 0, how many clients have got that event exactly once; and how many got something else. */
  events({ numbers }) {
    const once = Array.from({ length: numbers }, (_, n) =>
      members.reduce((sum, { events }) => sum + (events.get(n) === 1 ? 1 : 0), 0),
    )
    const others = members.filter(({ events, disordered }) => events.size > numbers || disordered).length
    return { once, others }
  },
}

function startedMembers() {
  return members.reduce((sum, { started }) => sum + (started ? 1 : 0), 0)
}

/** @param {Record<string, number>} counts @param {string} key */
function count(counts, key) {
  counts[key] = (counts[key] ?? 0) + 1
}

process.on('message', async (/** @type {{ order: string }} */ message) => {
  process.send?.({ answer: (await orders[message.order]?.(message)) ?? null })
})
process.on('disconnect', () => process.exit(0))
