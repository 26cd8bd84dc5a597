/** Users with some sessions each, that come back when they are closed, and events for one user after the other. */
import { randomUUID } from 'node:crypto'
import type { ClientOptions } from 'ws'
import { Load } from '../../support/load.js'
import { Returning } from '../../support/returning.js'
import { sleep, waitFor } from '../../support/wait.mjs'
import type { Cluster, EdgeHost } from '../../support/cluster.js'
import type { Verdict } from '../../support/tally.js'

const PER_USER = 20
const ARRIVAL_MS_MAX = 60_000
/** For what should not come. */
const LATE_MS = 300

export interface AudienceOptions {
  readonly sessions: number
  /** Events; each is for one user. */
  readonly perSecond: number
  /** Where to connect. */
  readonly url: string
  readonly socket?: ClientOptions
}

export class Audience {
  readonly members: readonly Returning[]
  private readonly users: number
  private readonly load: Load

  private constructor(members: readonly Returning[], users: number, load: Load) {
    this.members = members
    this.users = users
    this.load = load
  }

  /** Resolves when every session has started and the events flow. */
  static async start(cluster: Cluster, options: AudienceOptions): Promise<Audience> {
    const { sessions, perSecond, url, socket } = options
    const users = Array.from({ length: Math.ceil(sessions / PER_USER) }, () => randomUUID())
    const members: Returning[] = []
    const host = () => ({ url }) as EdgeHost
    for (const [at, user] of users.entries()) {
      const some = Array.from({ length: Math.min(PER_USER, sessions - at * PER_USER) }, (_, k) => {
        const { token } = cluster.auth.mint({ user })
        const version = k % 2 === 0 ? 2 : 1
        return Returning.start(cluster, { token, version, host, ...(socket === undefined ? {} : { socket }) })
      })
      members.push(...(await Promise.all(some)))
    }
    const load = new Load(cluster.publisher, perSecond, (n) => ({
      everyone: false,
      users: [users[n % users.length]!],
      data: { n: Math.floor(n / users.length) },
    }))
    return new Audience(members, users.length, load)
  }

  get sent(): number {
    return this.load.sent
  }

  /** Close codes of all sessions so far. */
  get codes(): number[] {
    return this.members.flatMap(({ endings }) => endings.map(({ code }) => code))
  }

  /** Attempts to come back that did not lead to a session. */
  get failures(): string[] {
    return this.members.flatMap(({ failures }) => failures)
  }

  /** Resolves when every member has a session. */
  async complete(): Promise<void> {
    const away = () => this.members.filter(({ connected }) => !connected).length
    await waitFor(() => away() === 0, { timeoutMs: ARRIVAL_MS_MAX, everyMs: 50 }).catch(() => {
      const why = Object.entries(frequencies(this.failures)).map(([what, count]) => `${count} x ${what}`)
      throw new Error(`${away()} clients are not back: ${why.join('; ')}`)
    })
  }

  /** Ends the load; what all members together have got of the events of their users, which are numbered 0, 1, 2, ... */
  async verdict(): Promise<Verdict> {
    const sent = await this.load.stop()
    const seen = () => this.members.every((member, i) => (member.look(), member.tally.reached >= this.due(i)))
    // Who has not got them by then has lost them: that is for the verdict to say.
    await waitFor(seen, { timeoutMs: ARRIVAL_MS_MAX, everyMs: 50 }).catch(() => undefined)
    await sleep(LATE_MS)
    const oddities = this.members.flatMap((member) => member.oddities)
    if (oddities.length > 0) throw new Error(`${sent} events, and: ${oddities.slice(0, 10).join(', ')}`)
    const sum = { lost: 0, doubled: 0, disordered: 0 }
    for (const [i, member] of this.members.entries()) {
      const { lost, doubled, disordered } = member.verdict(this.due(i))
      sum.lost += lost
      sum.doubled += doubled
      sum.disordered += disordered
    }
    return sum
  }

  async end(): Promise<void> {
    await this.load.stop()
    await Promise.all(this.members.map((member) => member.end()))
  }

  /** How many events there were for a member's user. */
  private due(member: number): number {
    return Math.ceil((this.sent - Math.floor(member / PER_USER)) / this.users)
  }
}

function frequencies(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}
