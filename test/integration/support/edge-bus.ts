import { encodeBatch, encodeState, type IngestState } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { keys, NEW_EPOCH_SCRIPT, PUBLISH_SCRIPT, SEED_SCRIPT } from '@wazo-websocketd/shared/redis/layout'
import { RedisBus, type RedisBusOptions } from '@wazo-websocketd/edge/bus/bus'
import { RedisConnections } from '@wazo-websocketd/shared/redis/connections'
import type { RedisLogOptions } from '@wazo-websocketd/edge/bus/log'
import type { RedisServers } from '@wazo-websocketd/shared/redis/pair'
import type { BusListener, PartitionLease } from '@wazo-websocketd/edge/bus/ports'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { event } from '../../support/fakes/batches.js'

export const PREFIX = 'wazo-ws'
/** Publishes hand-made batches with the real scripts, as an ingest does. */
export class HandIngest {
  readonly redis: Redis
  epoch = 'epoch-1' as Epoch
  head: Offset = 0
  state: IngestState = 'up'
  readonly sent: Offset[] = []
  /** As many heads as it has partitions stand in its states; those of others stay where they are put. */
  heads: Offset[] = [0]
  private beating: NodeJS.Timeout | null = null
  private readonly partition: number
  private readonly command: string

  constructor(url: string, partition = 0, command: 'PUBLISH' | 'SPUBLISH' = 'PUBLISH') {
    this.partition = partition
    this.command = command
    this.redis = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 50 })
    this.redis.on('error', () => undefined)
  }

  get names(): ReturnType<typeof keys> {
    return keys(PREFIX, this.partition)
  }

  async seed(): Promise<void> {
    const { meta, log } = this.names
    await this.redis.eval(SEED_SCRIPT, 2, meta, log, this.epoch, this.head, '00', 'stream', 1, this.head)
  }

  async newEpoch(epoch: string): Promise<void> {
    const { meta, log } = this.names
    await this.redis.eval(NEW_EPOCH_SCRIPT, 2, meta, log, this.epoch, epoch, this.head, '00', 'stream', 1)
    this.epoch = epoch as Epoch
  }

  /** One batch of `count` events; resolves when it is in the log and on the channel. */
  async publish(count: number, trimBelow = ''): Promise<void> {
    const events: BusEvent[] = []
    for (let i = 1; i <= count; i++) events.push(event(this.head + i))
    const [prev, last] = [this.head, this.head + Math.max(count, 1)]
    const bytes = encodeBatch({ epoch: this.epoch, prev, last, events })
    await this.write(prev, last, Buffer.from(bytes), trimBelow)
    this.sent.push(...events.map(({ offset }) => offset))
    this.head = last
  }

  async write(prev: Offset, last: Offset, bytes: Buffer, trimBelow = ''): Promise<void> {
    const { meta, log, live } = this.names
    const range = [this.epoch, prev, last, '00', trimBelow]
    const bounds = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]
    const arguments_ = [meta, log, ...range, bytes, this.command, live, ...bounds]
    const answer = (await this.redis.eval(PUBLISH_SCRIPT, 2, ...arguments_)) as string[]
    if (answer[0] !== 'OK') throw new Error(`publish: ${answer.join(' ')}`)
  }

  /** Says its state now and each second from now on. */
  beat(): void {
    const say = (): void => {
      if (this.redis.status !== 'ready') return
      const { epoch, state, head } = this
      const heads = this.heads.with(this.partition, head)
      const bytes = Buffer.from(encodeState({ ingest: 'hand', epoch, state, heads }))
      this.redis.publish(this.names.live, bytes).catch(() => undefined)
    }
    say()
    this.beating ??= setInterval(say, 1_000)
  }

  silence(): void {
    if (this.beating !== null) clearInterval(this.beating)
    this.beating = null
  }

  stop(): void {
    this.silence()
    this.redis.disconnect()
  }
}

/** A bus and everything that it told. */
export class Listening implements BusListener {
  readonly bus: RedisBus
  readonly connections: RedisConnections
  /** The last words about the connections: whether all of them serve. */
  connected = false
  readonly log: string[] = []
  readonly offsets: Offset[] = []
  readonly losses: string[] = []
  readonly lostPartitions: number[] = []
  readonly recoveries: string[] = []
  take: (partition: number, offset: Offset) => void = () => undefined
  unreadable = 0
  readiness = 0
  onEvents: (events: readonly BusEvent[]) => void = () => undefined

  constructor(url: string, options: Partial<RedisBusOptions> = {}, servers?: Partial<RedisServers>) {
    const logger = pino({ level: 'info' }, { write: (line: string) => void this.log.push(line) })
    const metrics = {
      recovery: (result: string) => this.recoveries.push(result),
      unreadable: () => this.unreadable++,
    }
    this.connections = new RedisConnections({
      servers: {
        locate: null,
        readyMsMax: 3_000,
        create: (connectionName) =>
          new Redis(url, { connectionName, retryStrategy: () => null, maxRetriesPerRequest: null }),
        ...servers,
      },
      clock: systemClock,
      // An outage's log tells the same reason once.
      outage: {
        fails: (_part, why) => {
          if (!this.log.includes(why)) this.log.push(why)
        },
        works: () => undefined,
      },
      connected: (up) => (this.connected = up),
    })
    this.bus = new RedisBus({
      prefix: PREFIX,
      partitions: 1,
      lostGraceMs: 2_000,
      silenceGraceMs: 30_000,
      redisLostGraceMs: 30_000,
      connections: this.connections,
      clock: systemClock,
      logger,
      listener: this,
      metrics,
      ...options,
    })
    this.bus.start()
  }

  offset(partition: number): Offset | null {
    return this.bus.cursor(partition)?.offset ?? null
  }

  stop(): void {
    this.bus.stop()
    this.connections.stop()
  }

  events(partition: number, events: readonly BusEvent[]): void {
    for (const { offset } of events) {
      this.offsets.push(offset)
      this.take(partition, offset)
    }
    this.onEvents(events)
  }

  lost(partition: number, why: string): void {
    this.losses.push(why)
    this.lostPartitions.push(partition)
  }

  readinessChanged(): void {
    this.readiness++
  }
}

/** Resolves once what is held is live. */
export function whenLive(hold: PartitionLease): Promise<void> {
  return new Promise((resolve) => hold.whenLive(resolve))
}

/** Runs the scripts of a log over a client as it is. */
export function callerOf(client: Redis): ReturnType<RedisLogOptions['commands']> {
  return {
    callBuffer: (command, ...args) => client.callBuffer(command, ...args),
    giveUp: () => undefined,
  }
}
