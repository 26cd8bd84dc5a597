import type { RunRecord } from '../load/record.js'
import { Child } from '../load/child.js'
import type { FromBus, FromClients, Progress, ToBus, ToClients } from '../load/messages.js'

const CLIENT_PROCESSES = 2
const EVENTS_PER_SECOND = 120

/** The processes that publish and receive, and what they have reported. */
export class Load {
  lastConfirmed = 0
  private readonly record: RunRecord
  private readonly bus: Child<ToBus, FromBus>
  private readonly clients: readonly Child<ToClients, FromClients>[]
  private readonly progress: Progress[] = []
  private done = 0

  constructor(record: RunRecord) {
    this.record = record
    this.bus = new Child<ToBus, FromBus>('./bus-program.ts', (message) => this.heardBus(message))
    this.clients = Array.from(
      { length: CLIENT_PROCESSES },
      (_, part) =>
        new Child<ToClients, FromClients>('./clients-program.ts', (message) => this.heard(part, message)),
    )
  }

  get deliveries(): number {
    return this.progress.reduce((sum, { deliveries }) => sum + deliveries, 0)
  }

  /** How far the slowest sentinel is; null: one of them is not there. */
  get reached(): number | null {
    const all = this.progress.flatMap(({ sentinels }) => Object.values(sentinels))
    const missing = this.progress.length < CLIENT_PROCESSES || all.length === 0
    return missing || all.includes(null) ? null : Math.min(...(all as number[]))
  }

  get hasLeft(): boolean {
    return this.done === CLIENT_PROCESSES
  }

  /** The process that died, which nobody has asked it to; null: none. */
  get broken(): string | null {
    if (!this.bus.alive) return 'the process that publishes has ended'
    return this.clients.every(({ alive }) => alive) ? null : 'a process of clients has ended'
  }

  begin(urls: readonly string[], amqpUrls: readonly string[], authUrl: string, seed: number): void {
    this.bus.send({ do: 'load', urls: amqpUrls, authUrl, seed, perSecond: EVENTS_PER_SECOND })
    for (const [part, clients] of this.clients.entries())
      clients.send({ do: 'live', urls, authUrl, seed, part, of: CLIENT_PROCESSES })
  }

  hosts(urls: readonly string[]): void {
    for (const clients of this.clients) clients.send({ do: 'hosts', urls })
  }

  /** No new sessions, or no more events. */
  rest(who: 'clients' | 'bus'): void {
    if (who === 'bus') this.bus.send({ do: 'rest' })
    else for (const clients of this.clients) clients.send({ do: 'rest' })
  }

  /** Closes all sessions; `hasLeft` when they are closed and reported. */
  leave(): void {
    for (const clients of this.clients) clients.send({ do: 'end' })
  }

  async stop(): Promise<void> {
    for (const child of [this.bus, ...this.clients]) child.kill()
    await Promise.all([this.bus, ...this.clients].map(({ ended }) => ended))
  }

  private heardBus({ published, confirmed, streamed, deleted, lastConfirmed }: FromBus): void {
    for (const event of published) this.record.published(event)
    for (const [id, at] of confirmed) this.record.confirmed(id, at)
    for (const message of streamed) this.record.streamed(message)
    for (const [session, at] of deleted) this.record.deleted(session, at)
    this.lastConfirmed = lastConfirmed
  }

  private heard(part: number, message: FromClients): void {
    if ('minted' in message) this.record.minted(message.minted, message.expiresAt)
    else if ('revoke' in message) this.bus.send({ do: 'revoke', token: message.revoke })
    else if ('ended' in message) this.record.sessions.push(message.ended)
    else if ('progress' in message) this.progress[part] = message.progress
    else this.done++
  }
}
