import { DEFAULT_TENANT } from '../../support/auth.mjs'
import type { Client, Closed } from '../../support/client.js'
import type { Publisher } from '../../support/publish.js'
import { sleep, waitFor } from '../../support/wait.mjs'
import type { Cluster } from '../../support/cluster.js'
import { Load } from '../../support/load.js'
import { taken } from '../../support/numbered.js'
import { Tally, type Verdict } from '../../support/tally.js'

const TICK_MS = 10
const ARRIVAL_MS_MAX = 15_000

/** Of all sessions together. */
export interface TrafficVerdict extends Verdict {
  /** Sessions that have ended. */
  readonly closed: number
}

/** Nothing happened to any session. */
export const FLAWLESS: TrafficVerdict = { lost: 0, doubled: 0, disordered: 0, closed: 0 }

export interface TrafficOptions {
  readonly perSecond?: number
  /** On each edge; they take the versions of the protocol in turn. */
  readonly sessions?: number
  /** Instead of the cluster's. */
  readonly publisher?: Publisher
  /** Whose events they are, and whose sessions; that of the stand-in unless given. */
  readonly tenant?: string
  /** Of the events; one of its own keeps it apart from what is still under way of another traffic. */
  readonly name?: string
}

interface Witness {
  readonly client: Client
  readonly tally: Tally
  end: Closed | null
  /** `performance.now()` of the latest arrival. */
  heardAt: number
}

/** Numbered events at a steady rate, and sessions on every edge that are entitled to all of them. */
export class Traffic {
  private readonly load: Load
  private readonly witnesses: readonly Witness[]
  private readonly looking: NodeJS.Timeout

  private constructor(load: Load, clients: readonly Client[]) {
    this.load = load
    this.witnesses = clients.map((client) => {
      const witness: Witness = { client, tally: new Tally(), end: null, heardAt: performance.now() }
      void client.closed.then((end) => (witness.end = end))
      return witness
    })
    this.looking = setInterval(() => this.look(), TICK_MS)
  }

  /** Resolves when every session has started and events flow. */
  static async start(
    cluster: Cluster,
    {
      perSecond = 500,
      sessions = 2,
      publisher = cluster.publisher,
      tenant = DEFAULT_TENANT,
      name = 'numbered',
    }: TrafficOptions = {},
  ): Promise<Traffic> {
    const { token } = cluster.auth.mint({ tenant })
    const clients = cluster.edges.flatMap((edge) =>
      Array.from({ length: sessions }, (_, i) => cluster.connect(token, { version: 1 + (i % 2) }, edge)),
    )
    await Promise.all(clients.map((client) => client.start(name)))
    return new Traffic(new Load(publisher, perSecond, () => ({ tenant, name })), clients)
  }

  /** How the sessions that have ended did so. */
  get endings(): readonly Closed[] {
    return this.witnesses.flatMap(({ end }) => end ?? [])
  }

  get sessions(): number {
    return this.witnesses.length
  }

  /** For so long, the session that has waited longest has got nothing. Milliseconds. */
  get silentMs(): number {
    this.look()
    return performance.now() - Math.min(...this.witnesses.map(({ heardAt }) => heardAt))
  }

  /** Resolves, with the milliseconds that it took, when every session has got all that has been sent by now. */
  async caughtUp(timeoutMs = ARRIVAL_MS_MAX): Promise<number> {
    const { sent } = this.load
    const begun = performance.now()
    const all = () => (this.look(), this.witnesses.every(({ tally, end }) => tally.reached >= sent || end))
    await waitFor(all, { timeoutMs, everyMs: 5, what: `event ${sent} to reach every session` })
    return performance.now() - begun
  }

  /** Resolves when every session has ended. */
  async ended(timeoutMs: number): Promise<readonly Closed[]> {
    const all = () => this.endings.length === this.sessions
    await waitFor(all, { timeoutMs, what: `${this.sessions} sessions to end` })
    return this.endings
  }

  /** Ends everything, whatever has become of the events; what a test that has failed leaves is not the next one's. */
  async abandon(): Promise<void> {
    clearInterval(this.looking)
    await this.load.halt()
    for (const { client } of this.witnesses) client.socket.terminate()
  }

  /** Ends the stream of events, waits until they have arrived, and says what became of them. */
  async stop(timeoutMs = ARRIVAL_MS_MAX): Promise<TrafficVerdict> {
    clearInterval(this.looking)
    const sent = await this.load.stop()
    await this.caughtUp(timeoutMs).catch(() => undefined) // the verdict says it
    await sleep(100) // for what should not come
    this.look()
    const verdict = { ...FLAWLESS, closed: this.endings.length }
    for (const { tally } of this.witnesses) {
      const { lost, doubled, disordered } = tally.verdict(sent)
      Object.assign(verdict, {
        lost: verdict.lost + lost,
        doubled: verdict.doubled + doubled,
        disordered: verdict.disordered + disordered,
      })
    }
    await Promise.all(this.witnesses.map(({ client }) => client.close()))
    return verdict
  }

  private look(): void {
    for (const witness of this.witnesses)
      for (const n of taken(witness.client)) {
        witness.heardAt = performance.now()
        if (typeof n === 'number') witness.tally.arrived(n)
      }
  }
}
