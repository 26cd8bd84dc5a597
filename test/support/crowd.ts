import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('./crowd-program.mjs', import.meta.url))

type Counts = Readonly<Record<string, number>>

/** What a crowd does when told. */
type Order =
  | { readonly order: 'join'; readonly addresses: readonly string[] }
  | { readonly order: 'storm' | 'clear' | 'state' | 'stayAway' }
  | { readonly order: 'events'; readonly numbers: number }

export interface CrowdState {
  /** Clients whose present connection has got the reply to `start`. */
  readonly started: number
  /** Events received. */
  readonly received: number
  /** Ends of connections by close code; 1006 is a connection that just broke. */
  readonly closes: Counts
  readonly errors: Counts
}

export interface CrowdEvents {
  /** For each number, how many clients got that event exactly once. */
  readonly once: readonly number[]
  /** Clients that got events that were not asked about, or in another order. */
  readonly others: number
}

/** Clients in another process, that connect again by themselves when their connection breaks. */
export class Crowd {
  private readonly child: ChildProcess
  private readonly ended: Promise<never>

  private constructor(child: ChildProcess) {
    this.child = child
    this.ended = once(child, 'exit').then(() => Promise.reject(new Error('a crowd has ended')))
    this.ended.catch(() => undefined) // whoever orders something is told
  }

  /** A session, started with a subscription to `numbered`, for each address. */
  static async join(addresses: readonly string[]): Promise<Crowd> {
    const crowd = new Crowd(fork(PROGRAM, { execArgv: [] }))
    await crowd.ask({ order: 'join', addresses })
    return crowd
  }

  /** Drops all connections at once; every client comes back at once. */
  async storm(): Promise<void> {
    await this.ask({ order: 'storm' })
  }

  /** From now on no client comes back when its connection ends. */
  async stayAway(): Promise<void> {
    await this.ask({ order: 'stayAway' })
  }

  /** Forgets what was counted. */
  async clear(): Promise<void> {
    await this.ask({ order: 'clear' })
  }

  async state(): Promise<CrowdState> {
    return (await this.ask({ order: 'state' })) as CrowdState
  }

  /** What became of the events 0, 1, ... `numbers` - 1. */
  async events(numbers: number): Promise<CrowdEvents> {
    return (await this.ask({ order: 'events', numbers })) as CrowdEvents
  }

  /** Ends the process and with it all connections. */
  stop(): void {
    if (this.child.connected) this.child.disconnect()
  }

  private async ask(order: Order): Promise<unknown> {
    const answered = once(this.child, 'message') as Promise<[{ answer: unknown }]>
    this.child.send(order)
    const [{ answer }] = await Promise.race([answered, this.ended])
    return answer
  }
}
