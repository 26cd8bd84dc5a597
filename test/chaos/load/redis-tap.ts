import { Cluster, Redis } from 'ioredis'
import { decode } from '@wazo-websocketd/shared/domain/envelope'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import type { Head, LoggedBatch } from '../../support/checker/history.js'
import { idIn } from './bus.js'
import { now } from './clock.js'

const { meta: META, log: LOG } = keys('wazo-ws', 0)
const POLL_MS = 50
const PAGE = 500
/** A server that does not answer for so long hangs, and another one may have taken over. */
const ANSWER_MS_MAX = 1000

type Entry = [id: Buffer, fields: [Buffer, Buffer]]
type Replies = [[null, string], [null, (string | null)[]], [null, Entry[]]]

interface Look {
  readonly life: string
  readonly epoch: string
  readonly head: number
  readonly entries: readonly Entry[]
}

/** Reads the log and the head of partition 0 as they are written, and again after Redis has lost them. */
export class RedisTap {
  readonly batches: LoggedBatch[] = []
  readonly heads: Head[] = []
  private readonly place: string | readonly string[]
  private client: Redis | Cluster | null = null
  private readonly loop: Promise<void>
  private running = true
  private life = ''
  private epoch = ''
  private readTo = '-'

  /** `place`: a URL, or the addresses of the nodes of a Redis Cluster. */
  constructor(place: string | readonly string[]) {
    this.place = place
    this.loop = this.run()
  }

  async stop(): Promise<void> {
    this.running = false
    this.client?.disconnect()
    await this.loop
  }

  private async run(): Promise<void> {
    while (this.running) {
      let more = false
      try {
        more = await this.read()
      } catch {
        // Redis is away, or another one is in its place: what that then holds is read
        this.client?.disconnect()
        this.client = null
      }
      if (!more) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  private connect(): Redis | Cluster {
    const options = { commandTimeout: ANSWER_MS_MAX, connectTimeout: ANSWER_MS_MAX, maxRetriesPerRequest: 0 }
    const client =
      typeof this.place === 'string'
        ? new Redis(this.place, { ...options, retryStrategy: () => null })
        : new Cluster([...this.place], { redisOptions: options, clusterRetryStrategy: () => null })
    client.on('error', () => undefined)
    return client
  }

  /** True: there is more to read at once. */
  private async read(): Promise<boolean> {
    const redis = (this.client ??= this.connect())
    const { life, epoch, head, entries } = await this.look(redis)
    if (epoch === '') return false
    if (life !== this.life || epoch !== this.epoch) {
      Object.assign(this, { life, epoch, readTo: '-' })
      return true
    }
    for (const [id, [, bytes]] of entries) {
      this.take(bytes)
      this.readTo = `(${id.toString()}`
    }
    if (entries.length === PAGE) return true
    if (
      this.heads.at(-1)?.head !== head ||
      this.heads.at(-1)?.life !== life ||
      this.heads.at(-1)?.epoch !== epoch
    )
      this.heads.push({ at: now(), life, epoch, head })
    return false
  }

  /** All of one moment: a new epoch empties the log. */
  private async look(redis: Redis | Cluster): Promise<Look> {
    const from = this.readTo
    const asked = redis.multi().info('server').hmget(META, 'epoch', 'head')
    const replies = await asked.xrangeBuffer(LOG, from, '+', 'COUNT', PAGE).exec()
    const [[, info], [, meta], [, entries]] = replies as Replies
    const [, life = ''] = /run_id:(\w+)/.exec(info) ?? []
    return { life, epoch: meta[0] ?? '', head: Number(meta[1]), entries }
  }

  private take(bytes: Buffer): void {
    const batch = decode(bytes)
    if (batch.kind !== 'batch') throw new Error('a state in the log')
    const events = batch.open().map(({ offset, body }) => [offset, idIn(Buffer.from(body)) ?? -1] as const)
    this.batches.push({ epoch: batch.epoch, life: this.life, prev: batch.prev, last: batch.last, events })
  }
}
