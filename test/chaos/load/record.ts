import type { Published, Session, Streamed, Token } from '../../support/checker/history.js'
import type { BusRecord } from './bus.js'

type Minted = Pick<Token, 'session_uuid' | 'acl' | 'metadata'>

/** Where all parts of a run write down what they see. */
export class RunRecord implements BusRecord {
  readonly events = new Map<number, Published & { confirmedAt: number | null }>()
  readonly stream: Streamed[] = []
  readonly tokens = new Map<string, Token>()
  readonly sessions: Session[] = []

  published(event: Published): void {
    this.events.set(event.id, { ...event })
  }

  confirmed(id: number, at: number): void {
    const event = this.events.get(id)
    if (event !== undefined) event.confirmedAt = at
  }

  streamed(message: Streamed): void {
    this.stream.push(message)
  }

  /** `expiresAt`: of the monotonic clock. */
  minted({ session_uuid, acl, metadata }: Minted, expiresAt: number): void {
    this.tokens.set(session_uuid, { session_uuid, acl, metadata, expiresAt, deletedAt: null })
  }

  deleted(session: string, at: number): void {
    const token = this.tokens.get(session)
    if (token !== undefined) token.deletedAt = at
  }
}
