import type { Client, Closed } from '../../support/client.js'
import { sleep } from '../../support/wait.mjs'
import { judge, type Judgement, type Life } from './life.js'
import { taken } from '../../support/numbered.js'

const LOOK_MS = 5
const AGAIN_MS = 200

interface Mutable extends Life {
  got: number[]
  end: Life['end']
  endedAt: number
}

/** A client that opens a new session whenever one has ended, and keeps what each of them got. */
export class Follower {
  readonly lives: Life[] = []
  /** `performance.now()` of the first arrival of each event, by number. */
  readonly arrivedAt: number[] = []
  private readonly open: () => Client
  private readonly next: () => number
  private running = true
  private client: Client | null = null
  private readonly work: Promise<void>

  private constructor(open: () => Client, next: () => number) {
    this.open = open
    this.next = next
    this.work = this.follow()
  }

  /** `next`: the number of the next event. Resolves when the first session has started. */
  static async start(open: () => Client, next: () => number): Promise<Follower> {
    const follower = new Follower(open, next)
    while (follower.lives.length === 0) await sleep(LOOK_MS)
    return follower
  }

  /** The last number that the session of now has got; -1: none. */
  get reached(): number {
    return this.lives.at(-1)?.got.at(-1) ?? -1
  }

  /** `performance.now()` of the end of the first session that ended with this code after a moment. */
  endAfter(moment: number, code: number): number | undefined {
    return this.lives.find(({ end, endedAt }) => end?.code === code && endedAt >= moment)?.endedAt
  }

  judge(sentAt: readonly number[]): Judgement {
    return judge(this.lives, sentAt)
  }

  async stop(): Promise<void> {
    this.running = false
    this.client?.socket.terminate()
    await this.work
  }

  private async follow(): Promise<void> {
    while (this.running) {
      const client = this.open()
      this.client = client
      try {
        await client.start('numbered')
        await this.live(client)
      } catch {
        client.socket.terminate() // turned away, or its start came to nothing: there was no session
      }
      await sleep(AGAIN_MS)
    }
  }

  private async live(client: Client): Promise<void> {
    const life: Mutable = { from: this.next(), got: [], end: null, endedAt: 0 }
    this.lives.push(life)
    const ending: { end: Closed | null } = { end: null }
    void client.closed.then((end) => {
      ending.end = end
      if (this.running) Object.assign(life, { end, endedAt: performance.now() })
    })
    for (;;) {
      const over = ending.end !== null
      const now = performance.now()
      for (const n of taken(client)) {
        if (typeof n !== 'number') continue
        life.got.push(n)
        this.arrivedAt[n] ??= now
      }
      if (over) return
      await sleep(LOOK_MS)
    }
  }
}
