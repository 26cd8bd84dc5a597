import { createHash, randomUUID } from 'node:crypto'
import type { Cluster, Token } from '../../support/cluster.js'

/** What every canary begins with: found even where somebody has cut a token short. */
const MARK = 'canary-Zq7Vx'

type Mint = NonNullable<Parameters<Cluster['auth']['mint']>[0]>

/** Tokens that are recognised wherever they turn up. */
export class Canaries {
  private readonly made = new Set<string>([MARK])
  private readonly cluster: Cluster

  constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  /** Of all so far, and what they have in common. */
  get secrets(): ReadonlySet<string> {
    return this.made
  }

  /** One that wazo-auth knows. */
  mint(what: string, mint: Mint = {}): Token {
    return this.cluster.auth.mint({ ...mint, token: this.unknown(what) })
  }

  /** One that it does not know. */
  unknown(what: string): string {
    const token = `${MARK}-${what}-${randomUUID()}`
    this.made.add(token)
    return token
  }
}

/** What stands for a token in the queue and on the bus. */
export function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** Every character as a client may write it into a query. */
export function percentEncoded(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}
