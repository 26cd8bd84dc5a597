import { randomUUID } from 'node:crypto'
import { openPublisher, type Publisher } from '../../support/publish.js'
import { sleep } from '../../support/wait.mjs'
import { numbered } from './numbered.js'

const TICK_MS = 10

/** Numbered events at a steady rate, without confirms, as Wazo's daemons publish; from one node of a cluster, then from another. */
export class Load {
  /** In the data of its events, next to their number. */
  readonly id = randomUUID()
  /** `performance.now()` of each event, by number. */
  readonly sentAt: number[] = []
  private readonly perSecond: number
  private publisher: Publisher
  private running = true
  private paused = false
  private readonly work: Promise<void>

  private constructor(publisher: Publisher, perSecond: number) {
    this.publisher = publisher
    this.perSecond = perSecond
    this.work = this.run()
  }

  static async start(amqpUrl: string, perSecond: number): Promise<Load> {
    return new Load(await openPublisher(amqpUrl, { confirms: false }), perSecond)
  }

  /** The number of the next event. */
  get next(): number {
    return this.sentAt.length
  }

  /** Goes on from another node; what was sent to the old one has been read by it. */
  async moveTo(amqpUrl: string): Promise<void> {
    const old = this.publisher
    this.paused = true
    await old.flush()
    this.publisher = await openPublisher(amqpUrl, { confirms: false })
    this.paused = false
    await old.close()
  }

  async stop(): Promise<void> {
    this.running = false
    await this.work
    await this.publisher.flush()
    await this.publisher.close()
  }

  private async run(): Promise<void> {
    let [due, last] = [0, performance.now()]
    while (this.running) {
      const now = performance.now()
      if (!this.paused) due += ((now - last) / 1000) * this.perSecond
      last = now
      while (!this.paused && this.next < Math.floor(due)) {
        this.publisher.send(numbered(this.next, { data: { n: this.next, load: this.id } }))
        this.sentAt.push(now)
      }
      await sleep(TICK_MS)
    }
  }
}
