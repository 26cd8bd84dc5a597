/** Reads the log as an edge would, and remembers whatever is wrong with it. */
import { Redis } from 'ioredis'
import { decode } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import { keys } from '@wazo-websocketd/shared/redis/layout'

const NAMES = keys('wazo-ws', 0)

export class Collector {
  readonly events: BusEvent[] = []
  readonly problems: string[] = []
  readonly epochs = new Set<string>()
  /** When a batch was last read that went beyond the one before; milliseconds. */
  movedAt = 0
  cursor = -1
  private readonly redis: Redis
  private running = true
  private readonly loop: Promise<void>

  constructor(url: string) {
    this.redis = new Redis(url, {
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      retryStrategy: () => 50,
    })
    this.redis.on('error', () => undefined)
    this.loop = this.run()
  }

  async stop(): Promise<void> {
    this.running = false
    await this.loop
    this.redis.disconnect()
  }

  private async run(): Promise<void> {
    while (this.running) {
      try {
        await this.read()
      } catch {
        // Redis is away; what it then holds is read from the cursor on
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  private async read(): Promise<void> {
    const [epoch, head] = await this.redis.hmget(NAMES.meta, 'epoch', 'head')
    if (typeof epoch !== 'string') return
    if (!this.epochs.has(epoch)) {
      this.epochs.add(epoch)
      this.cursor = Number(head)
    }
    const from = `${this.cursor + 1}-0`
    const entries = (await this.redis.xrangeBuffer(NAMES.log, from, '+', 'COUNT', 200)) as [
      Buffer,
      Buffer[],
    ][]
    for (const [, fields] of entries) this.take(fields[1]!, epoch)
  }

  private take(bytes: Buffer, epoch: string): void {
    const batch = decode(bytes)
    if (batch.kind !== 'batch') throw new Error('a state in the log')
    if (batch.epoch !== epoch) return
    if (batch.prev > this.cursor) this.problems.push(`gap: ${batch.prev} after ${this.cursor}`)
    for (const event of batch.open()) if (event.offset > this.cursor) this.events.push(event)
    this.cursor = batch.last
    this.movedAt = Date.now()
  }
}
