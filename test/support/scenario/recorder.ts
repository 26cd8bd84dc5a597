import type { Phase, Session } from '../checker/history.js'

/** What a reply will change. */
interface Asked {
  readonly op: string
  readonly at: number
  readonly answered: (askedAt: number, data: unknown) => void
}

/** A position, and the name of the session that has read it. */
export interface PositionRead {
  readonly id: string
  readonly session: string
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer Item)[] ? Item[] : T[K] }

export interface RecorderOptions {
  readonly name: string
  /** Index of the edge host. */
  readonly host: number
  /** The session_uuid of its token. */
  readonly token: string
  /** The session has positions, and presents this one, or none (null): those of clients that are cut off have. */
  readonly resume?: PositionRead | null
  /** Milliseconds of the clock by which the run is recorded. */
  readonly now: () => number
  /** Sends a message to the server. */
  readonly send: (text: string) => void
  /** Called with the id of each event that comes. */
  readonly received?: (id: number) => void
}

/** A client's side of one session: sends its operations, and remembers all that the checker has to know. */
export class SessionRecorder {
  private readonly options: RecorderOptions
  private readonly record: Mutable<Session>
  private readonly waiting: Asked[] = []
  private subscriptions: string[] = []
  private token: string
  private hasStarted = false
  private reached: string | null = null

  constructor(options: RecorderOptions) {
    const { name, host, token, resume, now } = options
    this.options = options
    this.token = token
    this.record = {
      ...{ name, host, token, connectedAt: now(), startAskedAt: null },
      ...(resume === undefined ? {} : { isCut: true as const }),
      ...(resume == null ? {} : { goesOn: { from: resume.session, why: 'no answer' } }),
      ...{ phases: [], ids: [], times: [], end: null },
    }
  }

  get started(): boolean {
    return this.hasStarted
  }

  get open(): boolean {
    return this.record.end === null
  }

  /** All of it, also while the session goes on. */
  get session(): Session {
    return this.record
  }

  /** The last position that it has read; null: it has none. */
  get position(): PositionRead | null {
    return this.reached === null ? null : { id: this.reached, session: this.record.name }
  }

  subscribe(name: string): void {
    this.ask('subscribe', { event_name: name }, (at) => {
      this.subscriptions = [...this.subscriptions, name]
      if (this.hasStarted) this.begin(at)
    })
  }

  start(): void {
    this.record.startAskedAt = this.options.now()
    this.ask('start', undefined, (at, data) => {
      this.hasStarted = true
      if (data !== null) this.placed(data as { id: string; why?: string })
      this.begin(at)
    })
  }

  renew(token: { readonly token: string; readonly session_uuid: string }): void {
    this.record.tokenAsked = { token: token.session_uuid, at: this.options.now() }
    this.ask('token', { token: token.token }, (at) => {
      this.token = token.session_uuid
      if (this.hasStarted) this.begin(at)
    })
  }

  /** Takes in a message of the server. */
  message(text: string): void {
    const message = JSON.parse(text) as { op?: string; id?: string; data?: unknown }
    const event = message.op === 'event' ? message.data : message.op === undefined ? message : null
    if (event !== null) {
      this.keep(event as { data: { n: number } })
      this.reached = message.id ?? null
      return
    }
    const at = this.waiting.findIndex(({ op }) => op === message.op)
    if (at === -1) return // init
    const [asked] = this.waiting.splice(at, 1)
    asked!.answered(asked!.at, message.data ?? null)
  }

  /** The session has ended; what comes after the first call changes nothing. */
  ended(code: number, byClient: boolean): void {
    this.record.end ??= { at: this.options.now(), code, byClient }
  }

  private placed({ id, why = null }: { readonly id: string; readonly why?: string | null }): void {
    this.reached = id
    if (this.record.goesOn !== undefined) this.record.goesOn = { ...this.record.goesOn, why }
  }

  private ask(op: string, data: object | undefined, answered: Asked['answered']): void {
    this.waiting.push({ op, at: this.options.now(), answered })
    this.options.send(JSON.stringify(data === undefined ? { op } : { op, data }))
  }

  private begin(askedAt: number): void {
    const { token, subscriptions } = this
    const answeredAt = this.options.now()
    const phase: Phase = { from: this.record.ids.length, token, subscriptions, askedAt, answeredAt }
    this.record.phases.push(phase)
  }

  private keep({ data: { n } }: { data: { n: number } }): void {
    this.record.ids.push(n)
    this.record.times.push(this.options.now())
    this.options.received?.(n)
  }
}
