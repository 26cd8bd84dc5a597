import { Redis } from 'ioredis'
import { decode } from '@wazo-websocketd/shared/domain/envelope'
import { keys } from '@wazo-websocketd/shared/runtime/scripts'
import type { Head, LoggedBatch } from '../checker/history.js'
import { idIn } from './bus.js'
import { now } from './clock.js'

const { meta: META, log: LOG } = keys('wazo-ws', 0)
const POLL_MS = 50
const PAGE = 500

type Entry = [id: Buffer, fields: [Buffer, Buffer]]

/** Reads the log and the head of partition 0 as they are written, and again after Redis has lost them. */
export class RedisTap {
  readonly batches: LoggedBatch[] = []
  readonly heads: Head[] = []
  private readonly redis: Redis
  private readonly loop: Promise<void>
  private running = true
  private life = ''
  private epoch = ''
  private readTo = '-'

  constructor(url: string) {
    this.redis = new Redis(url, {
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      retryStrategy: () => POLL_MS,
    })
    this.redis.on('error', () => undefined)
    this.loop = this.run()
  }

  async stop(): Promise<void> {
    this.running = false
    this.redis.disconnect()
    await this.loop
  }

  private async run(): Promise<void> {
    while (this.running) {
      let more = false
      try {
        more = await this.read()
      } catch {
        // Redis is away; what it then holds is read
      }
      if (!more) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  /** True: there is more to read at once. */
  private async read(): Promise<boolean> {
    const { life, epoch, head } = await this.state()
    if (epoch === '') return false
    if (life !== this.life || epoch !== this.epoch) {
      Object.assign(this, { life, epoch, readTo: '-' })
    }
    if (
      this.heads.at(-1)?.head !== head ||
      this.heads.at(-1)?.life !== life ||
      this.heads.at(-1)?.epoch !== epoch
    )
      this.heads.push({ at: now(), life, epoch, head })
    const entries = (await this.redis.xrangeBuffer(LOG, this.readTo, '+', 'COUNT', PAGE)) as Entry[]
    for (const [id, [, bytes]] of entries) {
      this.take(bytes)
      this.readTo = `(${id.toString()}`
    }
    return entries.length === PAGE
  }

  private async state(): Promise<{ life: string; epoch: string; head: number }> {
    const replies = await this.redis.multi().info('server').hmget(META, 'epoch', 'head').exec()
    const [[, info], [, meta]] = replies as [[null, string], [null, (string | null)[]]]
    const [, life = ''] = /run_id:(\w+)/.exec(info) ?? []
    return { life, epoch: meta[0] ?? '', head: Number(meta[1]) }
  }

  private take(bytes: Buffer): void {
    const batch = decode(bytes)
    if (batch.kind !== 'batch') throw new Error('a state in the log')
    const events = batch.open().map(({ offset, body }) => [offset, idIn(Buffer.from(body)) ?? -1] as const)
    this.batches.push({ epoch: batch.epoch, life: this.life, prev: batch.prev, last: batch.last, events })
  }
}
