import { numbered } from './numbered.js'
import type { EventSpec, Publisher } from './publish.js'
import { sleep } from './wait.mjs'

const TICK_MS = 10

/** Numbered events at an even rate, from its construction on. */
export class Load {
  /** `performance.now()` of each event, by number. */
  readonly sentAt: number[] = []
  publisher: Publisher
  private readonly spec: (n: number) => Partial<EventSpec>
  private readonly perSecond: number
  private running = true
  private paused = false
  private readonly work: Promise<void>

  constructor(publisher: Publisher, perSecond: number, spec: (n: number) => Partial<EventSpec> = () => ({})) {
    this.publisher = publisher
    this.perSecond = perSecond
    this.spec = spec
    this.work = this.run()
  }

  /** How many there were; the number of the next one. */
  get sent(): number {
    return this.sentAt.length
  }

  /** Goes on through another publisher, once the broker has what was sent through the old one, which is closed. */
  async moveTo(publisher: Publisher): Promise<void> {
    this.paused = true
    await this.publisher.flush()
    await this.publisher.close()
    this.publisher = publisher
    this.paused = false
  }

  /** Resolves with how many there were, when the broker has all of them. */
  async stop(): Promise<number> {
    await this.halt()
    await this.publisher.flush()
    return this.sent
  }

  /** The same without the broker, which may be dead. */
  async halt(): Promise<void> {
    this.running = false
    await this.work
  }

  private async run(): Promise<void> {
    let [due, last] = [0, performance.now()]
    while (this.running) {
      const now = performance.now()
      if (!this.paused) due += ((now - last) / 1000) * this.perSecond
      last = now
      while (!this.paused && this.sent < Math.floor(due)) {
        this.publisher.send(numbered(this.sent, this.spec(this.sent)))
        this.sentAt.push(now)
      }
      await sleep(TICK_MS)
    }
  }
}
