/** What the clients of the servers that are compared say, and how far the answers bring them. Pure. */
import { clientFrame, PING, TEXT } from './frames.js'

/**
 * `bare`: nothing after the upgrade. `wazo`: this project's protocol, up to `start`. `wazo, silent`: the same as far as
 * the server goes by itself, which is `init`. `socket.io`: Engine.IO 4 over WebSocket.
 */
export type DialectName = 'bare' | 'wazo' | 'wazo, silent' | 'socket.io'

/** What a frame means to a client. */
export type Meaning = 'admitted' | 'ready' | 'event' | 'other'

export interface Dialect {
  /** What the upgrade alone means. */
  readonly upgraded: Meaning
  /** Sent as soon as the upgrade is there. */
  readonly opening: Buffer | null
  /** The meaning of a frame to a client that is not ready, and what it says to it. */
  greet(opcode: number, payload: Buffer): { meaning: Meaning; reply: Buffer | null }
  /** What a client that is ready says to a frame that is not an event, by its opcode and first byte. */
  answer(opcode: number, first: number): Buffer | null
  /** Whether a frame to a client that is ready is an event. */
  isEvent(opcode: number, first: number): boolean
}

export const EVENT_NAME = 'bench_event'
const PONG = clientFrame(10)
const NOTHING = { meaning: 'other', reply: null } as const

const bare: Dialect = {
  upgraded: 'ready',
  opening: null,
  greet: () => NOTHING,
  answer: pong,
  isEvent: (opcode) => opcode === TEXT,
}

const wazo: Dialect = {
  upgraded: 'other',
  opening: Buffer.concat([
    clientFrame(TEXT, `{"op":"subscribe","data":{"event_name":"${EVENT_NAME}"}}`),
    clientFrame(TEXT, '{"op":"start"}'),
  ]),
  greet(opcode, payload) {
    const text = payload.toString('latin1')
    if (text.startsWith('{"op":"init","code":0')) return { meaning: 'admitted', reply: null }
    if (text.startsWith('{"op":"start","code":0')) return { meaning: 'ready', reply: null }
    return { meaning: 'other', reply: pong(opcode) }
  },
  answer: pong,
  isEvent: (opcode) => opcode === TEXT,
}

const silent: Dialect = {
  ...wazo,
  opening: null,
  greet(opcode, payload) {
    const greeted = wazo.greet(opcode, payload)
    return greeted.meaning === 'admitted' ? { ...greeted, meaning: 'ready' } : greeted
  },
}

const ENGINE_OPEN = 0x30
const ENGINE_PING = 0x32
const ENGINE_PONG = clientFrame(TEXT, '3')
const CONNECT = clientFrame(TEXT, '40')

const socketIo: Dialect = {
  upgraded: 'other',
  opening: null,
  greet(opcode, payload) {
    if (payload[0] === ENGINE_OPEN) return { meaning: 'other', reply: CONNECT }
    if (payload.toString('latin1').startsWith('40{')) return { meaning: 'ready', reply: null }
    return { meaning: 'other', reply: socketIo.answer(opcode, payload[0] ?? 0) }
  },
  answer: (opcode, first) => (opcode === TEXT && first === ENGINE_PING ? ENGINE_PONG : pong(opcode)),
  isEvent: (opcode, first) => opcode === TEXT && first !== ENGINE_PING,
}

export const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  bare,
  wazo,
  'wazo, silent': silent,
  'socket.io': socketIo,
}

function pong(opcode: number): Buffer | null {
  return opcode === PING ? PONG : null
}
