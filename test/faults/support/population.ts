import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, Closed } from '../../support/client.js'
import type { Cluster, Token } from '../../support/cluster.js'

const SESSIONS_PER_TOKEN = 3
/** Minted and connected together, so that even the shortest life begins with sessions. */
const TOKENS_AT_ONCE = 10
const SHORT_MS = 2_000
const SHORT_SPREAD_MS = 4_000
/** Those that end otherwise: their expiry comes when the others are gone. */
const LONG_MS = 10_000

/** How the sessions of a token come to their end. */
const FATES = ['expires', 'deleted', 'deleted in silence', 'closed', 'terminated', 'renewed'] as const
type Fate = (typeof FATES)[number]

interface Member {
  readonly fate: Fate
  readonly token: Token
  readonly clients: readonly Client[]
  readonly endings: readonly Promise<Closed>[]
}

/** Sessions of many tokens, and how they all come to an end. */
export class Population {
  /** Of every token that has had a session, in hexadecimal digits as in the jobs of the queue. */
  readonly hashes: string[] = []
  /** Milliseconds of Unix time. */
  lastExpiry = 0
  private readonly cluster: Cluster
  private readonly members: Member[] = []

  constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  get sessions(): number {
    return this.members.reduce((sum, { clients }) => sum + clients.length, 0)
  }

  /** Opens three sessions of each of so many tokens. Some of them change to a further token later. */
  async open(tokens: number): Promise<void> {
    for (let from = 0; from < tokens; from += TOKENS_AT_ONCE) {
      const some = Array.from({ length: Math.min(TOKENS_AT_ONCE, tokens - from) }, (_, i) => from + i)
      this.members.push(...(await Promise.all(some.map((i) => this.join(i)))))
    }
  }

  /** Ends what does not end by itself. Resolves with how the sessions of each fate ended, when all have. */
  async end(): Promise<Map<Fate, Set<number>>> {
    await Promise.all(this.members.map((member) => this.meet(member)))
    const codes = new Map<Fate, Set<number>>(FATES.map((fate) => [fate, new Set()]))
    for (const { fate, endings } of this.members)
      for (const { code } of await Promise.all(endings)) codes.get(fate)?.add(code)
    return codes
  }

  /** Waits until every token has expired, also those that nobody holds any more. */
  async expiry(): Promise<void> {
    await sleep(Math.max(0, this.lastExpiry - Date.now()))
  }

  private async join(i: number): Promise<Member> {
    const fate = FATES[i % FATES.length]!
    const token = this.mint(fate === 'expires' ? SHORT_MS + ((i * 97) % SHORT_SPREAD_MS) : LONG_MS)
    const clients = Array.from({ length: SESSIONS_PER_TOKEN }, () => this.cluster.connect(token.token))
    const endings = clients.map(({ closed }) => closed)
    await Promise.all(clients.map((client) => client.start('*', 'foo', `only-${i}`)))
    return { fate, token, clients, endings }
  }

  private async meet({ fate, token, clients }: Member): Promise<void> {
    if (fate === 'deleted') await this.cluster.deleteToken(token)
    else if (fate === 'deleted in silence') await this.cluster.deleteToken(token, { event: false })
    else if (fate === 'closed') await Promise.all(clients.map((client) => client.close()))
    else if (fate === 'terminated') for (const { socket } of clients) socket.terminate()
    else if (fate === 'renewed') await this.renew(clients)
  }

  private async renew(clients: readonly Client[]): Promise<void> {
    const { token } = this.mint(SHORT_MS + SHORT_SPREAD_MS)
    for (const client of clients) {
      client.take()
      client.send({ op: 'token', data: { token } })
    }
    for (const client of clients) {
      let op: unknown
      do ({ op } = await client.next())
      while (op === 'event')
      if (op !== 'token') throw new Error(`the reply to a new token is ${String(op)}`)
    }
  }

  private mint(expiresInMs: number): Token {
    const token = this.cluster.auth.mint({ expiresInMs })
    this.hashes.push(createHash('sha256').update(token.token).digest('hex'))
    this.lastExpiry = Math.max(this.lastExpiry, Date.parse(`${token.utc_expires_at}Z`))
    return token
  }
}
