/** A started session, and what it has been sent. */
import { randomUUID } from 'node:crypto'
import { wazoEvent, type Bus } from './bus.js'
import type { TokenDetails } from './auth.js'
import type { Session } from './session.js'

const SENTINEL = 'sentinel-'

/**
 * A started session. What it is *not* sent is found without waiting: a sentinel event is published after
 * the event in question, and order is guaranteed.
 */
export class Reader {
  readonly session: Session
  readonly token: TokenDetails
  readonly version: 1 | 2
  readonly #sentinel: string
  readonly #bus: Bus
  /** What `init` and `start` told. */
  readonly told: { init: unknown; start: unknown } = { init: null, start: null }
  /** The positions of all events so far, if they carry any. */
  readonly positions: string[] = []

  private constructor(session: Session, token: TokenDetails, version: 1 | 2, bus: Bus, sentinel: string) {
    this.session = session
    this.token = token
    this.version = version
    this.#bus = bus
    this.#sentinel = sentinel
  }

  /** Subscribes an open session (before its `init` was read) to `names` and starts it. */
  static async start(
    session: Session,
    token: TokenDetails,
    version: 1 | 2,
    bus: Bus,
    names: readonly string[],
  ): Promise<Reader> {
    const sentinel = `${SENTINEL}${randomUUID()}`
    const reader = new Reader(session, token, version, bus, sentinel)
    reader.told.init = await reader.#expect('init')
    for (const name of [...names, sentinel]) session.send({ op: 'subscribe', data: { event_name: name } })
    session.send({ op: 'start' })
    for (let i = 0; i <= names.length; i++) await reader.#expect('subscribe')
    reader.told.start = await reader.#expect('start')
    return reader
  }

  /** The body of the next event. */
  async event(): Promise<string> {
    return this.#bodyOf(await this.session.next())
  }

  /**
   * The bodies of all events that the session has been sent, once a sentinel published now has arrived.
   * `tenant`: that of the event waited for, when it is not the session's own.
   */
  async received(tenant: string = this.token.metadata.tenant_uuid): Promise<string[]> {
    const sentinel = wazoEvent({ name: this.#sentinel, tenant, everyone: true })
    await this.#bus.publish(sentinel)
    const bodies: string[] = []
    for (;;) {
      const body = await this.event()
      if (body === sentinel.body) return bodies
      if (!body.startsWith(`{"name":"${SENTINEL}`)) bodies.push(body)
    }
  }

  close(): void {
    this.session.close()
  }

  /** The `data` of a reply. */
  async #expect(op: string): Promise<unknown> {
    const message = (await this.session.json()) as { op?: unknown; data?: unknown }
    if (message.op === op) return message.data
    throw new Error(`expected the reply "${op}", got ${JSON.stringify(message)}`)
  }

  #bodyOf(message: string): string {
    if (this.version === 1) return message
    const [envelope, , id] = /^\{"op":"event","code":0,("id":"([^"]*)",)?"data":/.exec(message) ?? []
    if (envelope === undefined || !message.endsWith('}'))
      throw new Error(`not an event of version 2: ${message}`)
    if (id !== undefined) this.positions.push(id)
    return message.slice(envelope.length, -1)
  }
}
