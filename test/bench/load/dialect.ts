/** What the clients of the servers that are compared say, and how far the answers bring them. Pure. */
import { clientFrame, PING, PONG_OPCODE, TEXT } from '../../support/frames.js'

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
  greet(kind: number, payload: Buffer): { meaning: Meaning; reply: Buffer | null }
  /** What a client that is ready says to a frame that is not an event, by its kind and first byte. */
  answer(kind: number, first: number): Buffer | null
  /** Whether a frame to a client that is ready is an event. */
  isEvent(kind: number, first: number): boolean
}

export const EVENT_NAME = 'bench_event'
const PONG = clientFrame('', { opcode: PONG_OPCODE })
const NOTHING = { meaning: 'other', reply: null } as const

const bare: Dialect = {
  upgraded: 'ready',
  opening: null,
  greet: () => NOTHING,
  answer: pong,
  isEvent: (kind) => kind === TEXT,
}

const wazo: Dialect = {
  upgraded: 'other',
  opening: Buffer.concat([
    clientFrame(`{"op":"subscribe","data":{"event_name":"${EVENT_NAME}"}}`),
    clientFrame('{"op":"start"}'),
  ]),
  greet(kind, payload) {
    const text = payload.toString('latin1')
    if (text.startsWith('{"op":"init","code":0')) return { meaning: 'admitted', reply: null }
    if (text.startsWith('{"op":"start","code":0')) return { meaning: 'ready', reply: null }
    return { meaning: 'other', reply: pong(kind) }
  },
  answer: pong,
  isEvent: (kind) => kind === TEXT,
}

const silent: Dialect = {
  ...wazo,
  opening: null,
  greet(kind, payload) {
    const greeted = wazo.greet(kind, payload)
    return greeted.meaning === 'admitted' ? { ...greeted, meaning: 'ready' } : greeted
  },
}

const ENGINE_OPEN = 0x30
const ENGINE_PING = 0x32
const ENGINE_PONG = clientFrame('3')
const CONNECT = clientFrame('40')

const socketIo: Dialect = {
  upgraded: 'other',
  opening: null,
  greet(kind, payload) {
    if (payload[0] === ENGINE_OPEN) return { meaning: 'other', reply: CONNECT }
    if (payload.toString('latin1').startsWith('40{')) return { meaning: 'ready', reply: null }
    return { meaning: 'other', reply: socketIo.answer(kind, payload[0] ?? 0) }
  },
  answer: (kind, first) => (kind === TEXT && first === ENGINE_PING ? ENGINE_PONG : pong(kind)),
  isEvent: (kind, first) => kind === TEXT && first !== ENGINE_PING,
}

export const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  bare,
  wazo,
  'wazo, silent': silent,
  'socket.io': socketIo,
}

function pong(kind: number): Buffer | null {
  return kind === PING ? PONG : null
}
