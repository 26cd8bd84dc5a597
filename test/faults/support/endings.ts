/** How sessions end when their token does: how late, and by whose word. */
import { expect } from 'chai'
import type { Client } from '../../support/client.js'
import { waitFor } from '../../support/wait.mjs'
import type { Cluster, EdgeHost, Token } from '../../support/cluster.js'
import { since } from '../../support/figures.js'

/** Sessions that ended with their token, by what told their worker: `sessions_expired_total`. */
export interface Endings {
  readonly queue: number
  readonly bus: number
  readonly backstop: number
}

type Metered = Pick<EdgeHost, 'metric'>

/** Milliseconds from the expiry of its token to the end of a session, as the client saw it. */
export async function latenessOf(client: Client, token: Token, authAheadMs = 0): Promise<number> {
  expect(await client.closed).to.deep.equal({ code: 4003, reason: 'authentication expired' })
  return since(token.utc_expires_at) + authAheadMs
}

/** Started sessions of a token, so many on each of the hosts. */
export function openSessions(
  cluster: Cluster,
  token: Token,
  { perHost = 1, hosts = cluster.edges }: { perHost?: number; hosts?: readonly EdgeHost[] } = {},
): Promise<Client[]> {
  const each = hosts.flatMap((host) => Array.from({ length: perHost }, () => host))
  return Promise.all(each.map((host) => cluster.connect(token.token, {}, host).start('*')))
}

export async function endings(of: Metered): Promise<Endings> {
  const [queue, bus, backstop] = await Promise.all(
    ['queue', 'bus', 'backstop'].map((source) => of.metric('sessions_expired_total', { source })),
  )
  return { queue: queue!, bus: bus!, backstop: backstop! }
}

/** What has come since `before`, once so many sessions more have been counted. */
export async function endingsSince(of: Metered, before: Endings, sessions: number): Promise<Endings> {
  const came: unknown = await waitFor(
    async () => {
      const now = await endings(of)
      const { queue, bus, backstop } = before
      const came = { queue: now.queue - queue, bus: now.bus - bus, backstop: now.backstop - backstop }
      return came.queue + came.bus + came.backstop >= sessions && came
    },
    { everyMs: 100, what: `${sessions} sessions to be counted as ended` },
  )
  return came as Endings
}

/** Asserts that each session is there and answers. */
export async function expectAlive(clients: readonly Client[]): Promise<void> {
  for (const client of clients) {
    client.take()
    expect(await client.ask('ping', { payload: 1 })).to.include({ op: 'pong' })
  }
}
