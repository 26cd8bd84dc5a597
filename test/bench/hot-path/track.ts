import type { Redis } from 'ioredis'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import type { Peer } from './peer.js'
import {
  batchesOf,
  nameOf,
  PREFIX,
  type Load,
  type ToPublisher,
  type ToSubscriber,
  type Usage,
  type Way,
} from './plan.js'

/** Microseconds of CPU per event. */
export interface Cost {
  readonly publisher: number
  readonly redis: number
  readonly subscriber: number
  /** What was reached. */
  readonly perSecond: number
}

export interface TrackParts {
  readonly redis: Redis
  readonly url: string
  readonly publisher: Peer<ToPublisher>
  readonly subscriber: Peer<ToSubscriber>
  /** Of one measurement, about. */
  readonly seconds: number
}

/** Before it is measured, each way runs for this share of the measurement: connections, log and caches fill. */
const LEAD_SHARE = 0.5
/** A paced measurement that was slower measured something else. */
const PACE_SHARE_MIN = 0.9

/** The measurement says nothing: why. */
export class InvalidError extends Error {
  override name = 'InvalidError'
}

/** Runs one way under one load and measures it. */
export class Track {
  private readonly parts: TrackParts
  /** Bytes and messages of what was published under a load, to prove that all ways send the same. */
  private readonly sent = new Map<string, string>()

  constructor(parts: TrackParts) {
    this.parts = parts
  }

  /** Rejects with InvalidError. */
  async measure(way: Way, load: Load): Promise<Cost> {
    const { redis, url, publisher, subscriber, seconds } = this.parts
    await redis.flushall()
    await publisher.ask({ do: 'open', way, url })
    if (way !== 'intake') await subscriber.ask({ do: 'open', way, url })
    try {
      if (way !== 'intake') await this.compare(way, load)
      const batches = batchesOf(load, seconds)
      await this.run(way, load, Math.ceil(batches * LEAD_SHARE))
      return await this.run(way, load, batches)
    } finally {
      await publisher.ask({ do: 'close' })
      if (way !== 'intake') await subscriber.ask({ do: 'close' })
    }
  }

  private async run(way: Way, load: Load, batches: number): Promise<Cost> {
    const { redis, publisher, subscriber } = this.parts
    const events = batches * load.batch
    const before = await redisCpuUs(redis)
    const counted = way === 'intake' ? null : subscriber.ask<Usage>({ do: 'count', events })
    const published = await publisher.ask<Usage>({ do: 'run', load, batches })
    const heard = await counted
    const after = await redisCpuUs(redis)
    const perSecond = (events * 1_000) / published.wallMs
    const what = `${way}, ${nameOf(load)}`
    for (const fault of [published.fault, heard?.fault])
      if (fault) throw new InvalidError(`${what}: ${fault}`)
    // The last batch is not waited for after it: without its interval, a pace of few batches looks faster.
    if (load.perSecond !== null && perSecond < load.perSecond * PACE_SHARE_MIN)
      throw new InvalidError(`${what}: reached only ${Math.round(perSecond)} events/s`)
    return {
      publisher: published.cpuUs / events,
      redis: way === 'intake' ? 0 : (after - before) / events,
      subscriber: heard === null ? 0 : heard.cpuUs / events,
      perSecond,
    }
  }

  /** Listens to a few batches of each way: they must be as many, and of the same size, as those of the others. */
  private async compare(way: Way, load: Load): Promise<void> {
    const { redis } = this.parts
    const batches = 20
    const tap = redis.duplicate()
    const sizes: number[] = []
    tap.on('messageBuffer', (_channel: Buffer, bytes: Buffer) => {
      if (bytes[1] === KIND_BATCH) sizes.push(bytes.length)
    })
    await tap.subscribe(keys(PREFIX, 0).live)
    await this.run(way, { ...load, perSecond: null }, batches)
    await tap.ping() // what was published before its answer has been heard
    tap.disconnect()
    const name = String(load.batch)
    const sent = sizes.join()
    const others = this.sent.get(name) ?? sent
    this.sent.set(name, others)
    if (sizes.length !== batches || sent !== others)
      throw new InvalidError(
        `${way}, ${nameOf(load)}: batches of ${sent} bytes, but ${others} in the other way`,
      )
  }
}

/** The second byte of an envelope that is a batch; the other kind is a state, which only one way sends. */
const KIND_BATCH = 1

async function redisCpuUs(redis: Redis): Promise<number> {
  const text = await redis.info('cpu')
  let us = 0
  for (const name of ['used_cpu_sys', 'used_cpu_user']) {
    const [, value] = new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text) ?? []
    if (value === undefined) throw new Error(`INFO of Redis has no ${name}`)
    us += Number(value) * 1e6
  }
  return us
}
