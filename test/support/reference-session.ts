/** One connection of the reference server: simple, and a queue of RabbitMQ for each. */
import type { Channel, ChannelModel } from 'amqplib'
import type { WebSocket } from 'ws'
import type { ReferenceLog } from './reference-log.js'
import { readOp, type Op } from './reference-ops.js'
import { maySee, readEvent, type Bug, type Event, type Token } from './reference-rights.js'

const SUBSCRIPTIONS_MAX = 1024
const EVENT_NAME_BYTES_MAX = 256
const ACL_PATTERNS_MAX = 5000
const EARLY_START_MS = 200

export type Verdict = { token: Token } | 'invalid' | 'unavailable'

/** What all sessions share. */
export interface World {
  readonly bus: ChannelModel
  /** For sessions with positions, which have no queue. */
  readonly log: ReferenceLog
  readonly uuid: string
  readonly masterTenant: string
  readonly bug: Bug | undefined
  lookUp(token: string): Promise<Verdict>
}

/** A session between its upgrade and its close. */
export class ReferenceSession {
  readonly #world: World
  readonly #socket: WebSocket
  readonly #version: 1 | 2
  readonly #names = new Set<string>()
  #token: Token | null = null
  #channel: Channel | null = null
  #started = false
  #renewing = false
  #held: (readonly [Event, number])[] | null = null
  #early: Event[] = []
  /** The position presented; null: the session has none. */
  readonly #resume: string | null
  /** How many events of the log have been dealt with. */
  #at = 0
  /** What that was at the start. */
  #began = 0
  #stopFollowing: (() => void) | undefined
  #expiry: NodeJS.Timeout | undefined
  #work: Promise<void>

  constructor(world: World, socket: WebSocket, version: 1 | 2, token: string, resume: string | null) {
    this.#resume = resume
    this.#world = world
    this.#socket = socket
    this.#version = version
    this.#work = this.#open(token)
    socket.on('message', (data: Buffer, binary: boolean) => {
      const handle = () => this.#handle(readOp(data, binary))
      if (world.bug === 'overtakes' && this.#token) void handle()
      else this.#work = this.#work.then(handle)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(this.#expiry)
      this.#stopFollowing?.()
      void this.#channel?.close().catch(() => undefined)
    })
  }

  async #open(token: string): Promise<void> {
    if (!(await this.#adopt(token))) return
    if (this.#resume !== null) {
      this.#reply('init', { version: this.#version, resume: { seconds: this.#world.log.seconds } })
      return
    }
    const channel = await this.#world.bus.createChannel()
    this.#channel = channel
    if (this.#socket.readyState !== this.#socket.OPEN) return channel.close()
    if (this.#world.bug !== 'starts-early') await this.#consume(channel)
    this.#reply('init', { version: this.#version })
  }

  async #consume(channel: Channel): Promise<void> {
    const { queue } = await channel.assertQueue('', { exclusive: true, autoDelete: true })
    await channel.bindQueue(queue, 'wazo-headers', '', {})
    await channel.bindQueue(queue, 'xivo', '#')
    await channel.consume(
      queue,
      (message) => {
        const headers = message?.properties.headers ?? {}
        const event = message && readEvent(message.content, headers, this.#world.uuid, this.#world.bug)
        if (event) this.#event(event)
      },
      { noAck: true },
    )
  }

  /** Takes a token for the session's own, if wazo-auth says so; else closes. */
  async #adopt(id: string): Promise<boolean> {
    const possible = id !== '.' && id !== '..' && /^[A-Za-z0-9._-]{1,128}$/.test(id)
    const verdict = possible || this.#world.bug === 'raw-token' ? await this.#world.lookUp(id) : 'invalid'
    if (verdict === 'unavailable' && this.#world.bug !== 'auth-down-is-4002')
      return this.#close(1013, 'try again later')
    if (typeof verdict === 'string') return this.#close(4002, 'authentication failed')
    if (verdict.token.acl.length > ACL_PATTERNS_MAX) return this.#close(1008, 'too many ACL patterns')
    this.#token = verdict.token
    clearTimeout(this.#expiry)
    const left = Date.parse(`${verdict.token.utc_expires_at.replace(' ', 'T')}Z`) - Date.now()
    this.#expiry = setTimeout(() => this.#close(4003, 'authentication expired'), Math.min(left, 2 ** 31 - 1))
    return true
  }

  async #handle(op: Op): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    const silent = this.#version === 1 && this.#started
    switch (op.op) {
      case 'fault':
        return void this.#close(4004, op.fault)
      case 'ping':
        this.#socket.send(`{"op":"pong","code":0,"data":{"payload":${op.payload}}}`)
        return
      case 'subscribe':
        if (Buffer.byteLength(op.name) > EVENT_NAME_BYTES_MAX)
          return void this.#close(1008, 'event name too long')
        this.#names.add(op.name)
        if (this.#names.size > SUBSCRIPTIONS_MAX) return void this.#close(1008, 'too many subscriptions')
        break
      case 'start':
        if (this.#resume !== null) {
          this.#startAt(this.#resume)
          return
        }
        this.#started = true
        if (this.#world.bug === 'starts-early')
          setTimeout(() => void this.#consume(this.#channel!).catch(() => undefined), EARLY_START_MS)
        break
      case 'token':
        if (!(await this.#renew(op.token))) return
    }
    if (!silent) this.#reply(op.op, null)
    for (const event of this.#early.splice(0)) this.#event(event)
  }

  /** Starts a session with positions: from the one presented, if the log knows it. */
  #startAt(presented: string): void {
    const { log, bug } = this.#world
    const later = bug === 'start-forgets-the-way' ? this.#began : this.#at
    const found = this.#started ? later : log.find(presented)
    const resumed = typeof found === 'number'
    const late = bug === 'resumes-late' ? 1 : bug === 'resumes-twice' ? -1 : 0
    const from = resumed ? found : log.length
    const id = log.idOf(from)
    this.#reply('start', resumed ? { resumed, id } : { resumed, id, why: found })
    if (this.#started) return
    this.#started = true
    this.#at = Math.max(0, resumed && presented !== '' ? from + late : from)
    this.#began = this.#at
    const next = () => {
      while (this.#at < log.length && this.#socket.readyState === this.#socket.OPEN) {
        this.#at++
        this.#event(log.at(this.#at), this.#at)
      }
    }
    this.#stopFollowing = log.follow(next)
    next()
  }

  async #renew(id: string): Promise<boolean> {
    this.#renewing = true
    const adopted = await this.#adopt(id)
    this.#renewing = false
    const held = this.#held ?? []
    this.#held = null
    for (const [event, at] of held) this.#event(event, at)
    return adopted
  }

  /** @param at number of the event in the log, for sessions with positions */
  #event(event: Event, at = 0): void {
    const { bug, masterTenant } = this.#world
    const token = this.#token!
    if (this.#held) return void this.#held.push([event, at])
    if (!this.#started && bug === 'keeps-early-events') return void this.#early.push(event)
    const wanted = [event.name, '*'].filter((name) => this.#names.has(name))
    const may = maySee(token, event, masterTenant, bug) || (bug === 'position-gives-rights' && at > 0)
    if (this.#started && wanted.length > 0 && may) {
      const copies = bug === 'delivers-twice' ? wanted.length : 1
      const positioned = this.#resume !== null || bug === 'positions-for-all'
      const position = positioned ? `"id":"${this.#world.log.idOf(at)}",` : ''
      const text =
        this.#version === 1 ? event.body : `{"op":"event","code":0,${position}"data":${event.body}}`
      for (let i = 0; i < copies; i++) this.#socket.send(text)
    }
    if (event.deletedSession !== token.session_uuid || bug === 'ignores-deletion') return
    if (this.#renewing) this.#held = []
    else this.#close(4003, 'authentication expired')
  }

  #reply(op: string, data: object | null): void {
    this.#socket.send(JSON.stringify({ op, code: 0, data }))
  }

  #close(code: number, reason: string): false {
    this.#socket.close(code, reason)
    this.#started = false
    return false
  }
}
