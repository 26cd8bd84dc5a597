/** Numbered events, and sessions that check their order on arrival without keeping them. */
import { WebSocket } from 'ws'
import { customEvent, LEGACY_EXCHANGE, type Publication } from '../../support/publish.js'
import { sleep } from '../../support/wait.mjs'

export const TENANT = '2c34c282-433e-4bb8-8d56-fec14ff7e1e9'
const TRIES_MAX = 40
const RETRY_MS = 250
const NUMBER = /"n":(\d+)/

/** Event number `n`, for everyone of the tenant; every third one takes the other exchange. */
export function numbered(name: string, n: number): Publication {
  const exchange = n % 3 === 0 ? { exchange: LEGACY_EXCHANGE, routingKey: 'any.thing' } : {}
  return customEvent({ name, tenant: TENANT, everyone: true, requiredAcl: null, data: { n }, ...exchange })
}

/** A started session that expects the events 0, 1, 2, ... and notes the first that is missing, early or double. */
export class Counter {
  /** How many have arrived. */
  count = 0
  /** What was wrong first. */
  fault: string | null = null
  private readonly socket: WebSocket
  private replies = 0

  private constructor(url: string, names: readonly string[], started: () => void) {
    this.socket = new WebSocket(url, { perMessageDeflate: false })
    this.socket.on('open', () => {
      for (const name of names) this.send({ op: 'subscribe', data: { event_name: name } })
      this.send({ op: 'start' })
    })
    this.socket.on('message', (data: Buffer) => {
      if (this.replies === names.length + 2) this.event(data.toString('latin1'))
      else if (++this.replies === names.length + 2) started()
    })
    this.socket.on('error', () => {})
    this.socket.on('close', (code, reason) => {
      this.fault ??= `closed with ${code} ${reason.toString()} after ${this.count} events`
      started()
    })
  }

  /**
   * Connects, subscribes and starts; resolves when started, or closed, which `fault` then says. Comes back
   * when told to try again later.
   */
  static async start(url: string, token: string, version: 1 | 2, names: readonly string[]): Promise<Counter> {
    for (let left = TRIES_MAX; ; left--) {
      const counter = await Counter.attempt(`${url}/?token=${token}&version=${version}`, names)
      if (left === 1 || !counter.fault?.includes('1013 try again later')) return counter
      await sleep(RETRY_MS)
    }
  }

  private static attempt(address: string, names: readonly string[]): Promise<Counter> {
    return new Promise((resolve) => {
      const counter: Counter = new Counter(address, names, () => resolve(counter))
    })
  }

  end(): void {
    this.fault ??= 'ended'
    this.socket.terminate()
  }

  private send(op: object): void {
    this.socket.send(JSON.stringify(op))
  }

  private event(text: string): void {
    const n = Number(NUMBER.exec(text)?.[1])
    if (n !== this.count) this.fault ??= `event ${n} where ${this.count} was due`
    this.count++
  }
}

/** Starts a counter for each token, a few at a time; the versions take turns. */
export async function startCounters(
  url: string,
  tokens: readonly string[],
  names: (i: number) => readonly string[],
): Promise<Counter[]> {
  const AT_ONCE = 50
  const counters: Counter[] = []
  while (counters.length < tokens.length) {
    const from = counters.length
    const some = tokens.slice(from, from + AT_ONCE)
    const starting = some.map((token, i) => Counter.start(url, token, i % 2 === 0 ? 2 : 1, names(from + i)))
    counters.push(...(await Promise.all(starting)))
  }
  return counters
}

/** The first fault of any counter, if there is one. */
export function firstFault(counters: readonly Counter[]): string | null {
  for (const { fault } of counters) if (fault !== null) return fault
  return null
}
