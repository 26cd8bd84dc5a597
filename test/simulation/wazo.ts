/** The imaginary Wazo of a run: its tokens, and what its daemons publish. */
import { randomUUID } from 'node:crypto'
import type { TokenDetails, TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { LookupPriority, TokenHolder, TokenLookup } from '@wazo-websocketd/edge/session/ports'
import type { Published, Shape, Token } from '../support/checker/history.js'
import { HEADERS_EXCHANGE } from '../support/publish.js'
import type { Random } from '../support/scenario/random.js'
import type { Seat } from '../support/scenario/seats.js'
import type { Scheduler, SimulatedProcess } from './scheduler.js'
import type { StreamBroker } from './stream-broker.js'

const LOOKUP_MS = [1, 15] as const
const EXPIRY_SLACK_MS = [0, 300] as const
/** A look-up tries again for so long: not at all where the connection is refused. */
const PATIENCE_MS = [0, 8000] as const
const RETRY_MS = 200

const UNAVAILABLE: Verdict = { kind: 'unavailable' }

export interface Minted {
  readonly token: string
  readonly session_uuid: string
}

/** Stands for wazo-auth: mints tokens and answers about them. */
export class TokenServer {
  /** It answers nothing. */
  down = false
  readonly tokens = new Map<string, Token>()
  private readonly details = new Map<string, TokenDetails>()
  private readonly scheduler: Scheduler
  private readonly random: Random

  constructor(scheduler: Scheduler, random: Random) {
    this.scheduler = scheduler
    this.random = random
  }

  mint({ tenant, user, acl, admin, purpose }: Seat, lifeMs: number): Minted {
    const [token, session] = [randomUUID(), randomUUID()]
    const expiresAt = this.scheduler.now + lifeMs
    this.details.set(token, {
      token: token as TokenId,
      sessionUuid: session,
      userUuid: user,
      tenantUuid: tenant,
      admin: admin || purpose === 'internal' || purpose === 'external_api',
      acl,
      expiresAt,
    })
    const metadata = { uuid: user, tenant_uuid: tenant, purpose, admin }
    this.tokens.set(session, { session_uuid: session, acl, metadata, expiresAt, deletedAt: null })
    return { token, session_uuid: session }
  }

  delete({ token, session_uuid: session }: Minted): void {
    this.details.delete(token)
    this.tokens.get(session)!.deletedAt = this.scheduler.now
  }

  /** What a worker asks by; it follows tokens to their end, as the expiry queue does. */
  reachedBy(process: SimulatedProcess) {
    const { scheduler, random } = this
    const lookup = (token: TokenId, _: LookupPriority): TokenLookup => ({
      answer: new Promise<Verdict>((resolve) => {
        const givenUpAt = scheduler.now + random.between(...PATIENCE_MS)
        const asked = (): void => {
          const verdict = this.down ? UNAVAILABLE : this.verdict(token)
          if (this.down && scheduler.now < givenUpAt) scheduler.after(RETRY_MS, asked, null)
          else scheduler.after(random.between(...LOOKUP_MS), () => resolve(verdict), process)
        }
        scheduler.after(random.between(...LOOKUP_MS), asked, null)
      }),
      withdraw: () => undefined,
    })
    const watch = (details: TokenDetails, holder: TokenHolder): { stop(): void } => {
      const left = details.expiresAt - scheduler.now + random.between(...EXPIRY_SLACK_MS)
      const timer = scheduler.after(Math.max(0, left), () => holder.ended('queue'), process)
      return { stop: () => timer.cancel() }
    }
    return { lookup, watch }
  }

  private verdict(token: TokenId): Verdict {
    const details = this.details.get(token)
    if (details === undefined || details.expiresAt <= this.scheduler.now) return { kind: 'invalid' }
    return { kind: 'valid', details }
  }
}

/** Publishes events on the bus, without waiting for confirms, as Wazo's daemons do. */
export class Daemons {
  readonly published: (Published & { confirmedAt: number | null })[] = []
  private readonly scheduler: Scheduler
  private readonly broker: StreamBroker
  private readonly shapes: readonly Shape[]

  constructor(scheduler: Scheduler, broker: StreamBroker, shapes: readonly Shape[]) {
    this.scheduler = scheduler
    this.broker = broker
    this.shapes = shapes
  }

  /** Publishes one event of the shape with this number, unless the broker is down. */
  publish(shape: number, revokes?: Minted): void {
    if (!this.broker.up) return
    const id = this.published.length + 1
    const about = revokes === undefined ? {} : { revokes: revokes.session_uuid }
    const event = { id, shape, sentAt: this.scheduler.now, confirmedAt: null as number | null, ...about }
    this.published.push(event)
    this.broker.publish(
      { exchange: HEADERS_EXCHANGE, routingKey: '', ...this.message(id, shape, revokes) },
      () => {
        event.confirmedAt = this.scheduler.now
      },
    )
  }

  private message(id: number, number: number, revokes: Minted | undefined) {
    const { name, tenant, users, everyone, requiredAcl, poison } = this.shapes[number]!
    const headers: Record<string, unknown> = { name }
    if (poison !== true) headers['required_acl'] = requiredAcl
    if (tenant !== null) headers['tenant_uuid'] = tenant
    if (everyone) headers['user_uuid:*'] = true
    for (const user of users) headers[`user_uuid:${user}`] = true
    const data = revokes === undefined ? { n: id } : { uuid: revokes.session_uuid, n: id }
    return { headers, content: Buffer.from(JSON.stringify({ ...headers, data })) }
  }
}
