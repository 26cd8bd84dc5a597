import { randomUUID } from 'node:crypto'
import type { TokenId } from '@wazo-websocketd/shared/domain/identity'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { RateLimitedLog } from '@wazo-websocketd/shared/runtime/rate-limited-log'
import { sleep, within } from '@wazo-websocketd/shared/runtime/sleep'
import type { RedisClient } from '@wazo-websocketd/shared/redis/client'
import { drainChannel, ticketsKey } from '@wazo-websocketd/shared/redis/layout'
import { hashTag, hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import type { Script } from '@wazo-websocketd/shared/redis/script'
import type { Logger } from 'pino'
import { encodeDrainNotice } from './drain-notice.js'
import { AGREE, RESTORE, TAKE, WRITE } from './ticket-scripts.js'
import type { Agreement, IssuedTicket, Ticket, TicketDraft, Tickets } from './tickets.js'
import { encodeTicket, matchKeysOf, parseRow } from './ticket.js'

/** After so long without Redis a drain and a start do without tickets. */
const PATIENCE_MS = 2_000
/** Of a single try. A script whose answer was lost does nothing more when it runs again. */
const TRY_MS = 1_000
const RETRY_MS = 100
/** For so long a ticket's client is expected: clients come back 1 to 5 s after a 1012. */
const EXPECTED_MS = 7_000
/** A draft is agreed upon sooner, or its worker is gone. */
const DRAFT_MS = 2_000

export interface RedisTicketsOptions {
  /** `redis.prefix`. */
  readonly prefix: string
  /** Number of Redis's database; 0 unless given. */
  readonly database?: number
  /** `redis.history` in milliseconds: how long a ticket is kept. */
  readonly historyMs: number
  /** A connection whose commands fail while there is none; null meanwhile. */
  readonly client: () => RedisClient | null
  readonly clock: Clock
  readonly logger: Logger
}

/** Keeps the tickets of drained sessions in Redis, where the host to which a client comes back finds them. */
export class RedisTickets implements Tickets {
  private readonly options: RedisTicketsOptions
  private readonly log: RateLimitedLog

  constructor(options: RedisTicketsOptions) {
    this.options = options
    this.log = new RateLimitedLog(options.logger, options.clock)
  }

  close(): void {
    this.log.close()
  }

  tokenHash(token: TokenId): string {
    return hashToken(token)
  }

  announce(token: TokenId): void {
    const client = this.options.client()
    if (client === null) return
    const channel = drainChannel(this.options.prefix, this.options.database)
    const notice = encodeDrainNotice(this.tokenHash(token))
    const published = client.isCluster ? client.spublish(channel, notice) : client.publish(channel, notice)
    published.catch(() => undefined) // workers that miss it wait for the ticket to be taken
  }

  async draft(token: TokenId, drafts: readonly TicketDraft[]): Promise<readonly string[] | null> {
    const ids = drafts.map(() => randomUUID())
    const pairs = drafts.flatMap((draft, i) => [ids[i] as string, encodeTicket(draft)])
    const answer = await this.run(WRITE, token, [this.options.historyMs, 'draft', ...pairs])
    return answer === undefined ? null : ids
  }

  async agree(token: TokenId, ids: readonly string[], final: boolean): Promise<Agreement> {
    const { historyMs } = this.options
    const answer = await this.run(AGREE, token, [historyMs, EXPECTED_MS, DRAFT_MS, final ? '1' : '', ...ids])
    if (!Array.isArray(answer)) return { kind: 'failed' }
    if (answer.length === 0) return { kind: 'wait' }
    return { kind: 'leave', at: new Map(answer.flatMap((row) => entryOf(row))) }
  }

  async issue(token: TokenId, tickets: readonly IssuedTicket[]): Promise<boolean> {
    const pairs = tickets.flatMap((ticket) => [ticket.id, encodeTicket(ticket)])
    return (await this.run(WRITE, token, [this.options.historyMs, 'issued', ...pairs])) !== undefined
  }

  withdraw(token: TokenId, ids: readonly string[]): void {
    const client = this.options.client()
    // A ticket that is not deleted brings at most what its session missed.
    if (ids.length > 0) client?.hdel(this.key(token), ...ids).catch(() => undefined)
  }

  async take(token: TokenId, connection: TicketDraft['connection']): Promise<Ticket | null> {
    const { version, names, address } = matchKeysOf(connection)
    const answer = await this.run(TAKE, token, [
      this.options.historyMs,
      randomUUID(),
      version,
      names,
      address,
    ])
    if (typeof answer === 'number' && answer > 0)
      this.log.warn(
        'form',
        { tokenHash: hashTag(hashToken(token)), tickets: answer },
        'resume: tickets of a form that this program does not know: the session begins anew',
      )
    return parseRow(answer)
  }

  restore(token: TokenId, id: string): void {
    void this.run(RESTORE, token, [id])
  }

  private key(token: TokenId): string {
    return ticketsKey(this.options.prefix, hashToken(token))
  }

  /** Runs a script until Redis answers, for `PATIENCE_MS`; undefined when it does not. */
  private async run(script: Script, token: TokenId, args: readonly (string | number)[]): Promise<unknown> {
    const { clock } = this.options
    const until = clock.monotonic() + PATIENCE_MS
    let why = 'not connected to Redis'
    for (;;) {
      const client = this.options.client()
      if (client !== null) {
        try {
          return await within(
            clock,
            TRY_MS,
            'a script of the tickets',
            script.run(client, [this.key(token)], args),
          )
        } catch (error) {
          why = error instanceof Error ? error.message : 'Redis failed'
        }
      }
      if (clock.monotonic() + RETRY_MS >= until) break
      await sleep(clock, RETRY_MS)
    }
    this.log.warn('tickets', { tokenHash: hashTag(hashToken(token)), why }, 'resume: Redis does not answer')
    return undefined
  }
}

function entryOf(row: unknown): [string, Ticket['positions']][] {
  const ticket = parseRow(row)
  return ticket === null ? [] : [[ticket.id, ticket.positions]]
}
