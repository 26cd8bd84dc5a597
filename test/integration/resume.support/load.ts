import { numbered } from '../../faults/support/numbered.js'
import type { EventSpec, Publisher } from '../../support/publish.js'
import { sleep } from '../../support/wait.mjs'

const TICK_MS = 10

/** Numbered events at an even rate, from its construction on. */
export class Load {
  sent = 0
  private readonly publisher: Publisher
  private readonly spec: (n: number) => Partial<EventSpec>
  private readonly perSecond: number
  private running = true
  private readonly work: Promise<void>

  constructor(publisher: Publisher, perSecond: number, spec: (n: number) => Partial<EventSpec> = () => ({})) {
    this.publisher = publisher
    this.perSecond = perSecond
    this.spec = spec
    this.work = this.run()
  }

  /** Resolves with how many there were, when the broker has all of them. */
  async stop(): Promise<number> {
    this.running = false
    await this.work
    await this.publisher.flush()
    return this.sent
  }

  private async run(): Promise<void> {
    const begun = performance.now()
    while (this.running) {
      const due = Math.floor(((performance.now() - begun) / 1_000) * this.perSecond)
      for (; this.sent < due; this.sent++) this.publisher.send(numbered(this.sent, this.spec(this.sent)))
      await sleep(TICK_MS)
    }
  }
}
