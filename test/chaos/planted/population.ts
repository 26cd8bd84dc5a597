import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from '../../support/checker/history.js'
import { ACLS, TENANTS, usersOf } from '../../support/scenario/catalogue.js'
import { expiryOf } from '../load/clock.js'
import { Witness } from '../load/witness.js'
import type { RunRecord } from '../load/record.js'
import type { Cluster, Token } from '../../support/cluster.js'
import { EXPIRING, LATE, REVOKED, ROLES, STRANGER } from './bugs.js'

const SHORT_LIFE_MS = 4000
const LONG_LIFE_MS = 3_600_000

/** One session of each role, behind one way to the edge. */
export class Population {
  readonly tokens: Token[]
  private readonly url: string
  private readonly witnesses: Witness[] = []

  constructor(url: string, cluster: Cluster, record: RunRecord) {
    this.url = url
    this.tokens = ROLES.map((_, role) => {
      const tenant = TENANTS[role === STRANGER ? 1 : 0]!
      const expiresInMs = role === EXPIRING ? SHORT_LIFE_MS : LONG_LIFE_MS
      const token = cluster.auth.mint({ tenant, user: usersOf(tenant)[0]!, acl: ACLS[0], expiresInMs })
      record.minted(token, expiryOf(token))
      return token
    })
  }

  get revoked(): Token {
    return this.tokens[REVOKED]!
  }

  get sessions(): Session[] {
    return this.witnesses.map(({ session }) => session)
  }

  /** All but the one that comes late, in their order. */
  async open(): Promise<void> {
    for (let role = 0; role < LATE; role++) await this.join(role)
  }

  async openLate(): Promise<void> {
    await this.join(LATE)
  }

  async close(): Promise<void> {
    await Promise.all(this.witnesses.filter(({ open }) => open).map((witness) => witness.close()))
  }

  private async join(role: number): Promise<void> {
    const name = ROLES[role]!
    const version = name === 'version 1' ? 1 : 2
    const witness = new Witness({ url: this.url, name, host: 0, version, token: this.tokens[role]! })
    this.witnesses.push(witness)
    if (!(await witness.opened)) throw new Error(`the session ${name} was not opened`)
    witness.subscribe('*')
    witness.start()
    while (!witness.started) {
      if (!witness.open) throw new Error(`the session ${name} was closed before its start`)
      await sleep(5)
    }
  }
}
