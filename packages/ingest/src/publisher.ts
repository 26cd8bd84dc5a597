/** The ingest's side of Redis: the scripts, the heads, the live channel. */
import { createHash } from 'node:crypto'
import { encodeBatch } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/identity'
import {
  isKnownForm,
  keys,
  META,
  NEW_EPOCH_SCRIPT,
  PUBLISH_SCRIPT,
  SEED_SCRIPT,
} from '@wazo-websocketd/shared/runtime/scripts'
import type { PartitionKeys } from '@wazo-websocketd/shared/runtime/scripts'
import type { Answer, PublishCall } from './chain.js'
import { eventIn } from './delivery.js'
import type { Meta } from './plan.js'
import type { Mark } from './ring.js'

/**
 * What the publisher needs of a Redis connection. It must have no offline queue and must not send a command
 * again by itself: a lost answer has to be known as lost.
 */
export interface RedisConnection {
  /** Rejects when the connection is or gets lost, or with the error that Redis answers. */
  callBuffer(command: string, args: (string | Buffer | number)[]): Promise<unknown>
}

/** Redis did not answer, or answered with an error (`reply`). */
export class RedisFault extends Error {
  override name = 'RedisFault'
  readonly reply: boolean

  constructor(error: unknown) {
    super(`Redis: ${error instanceof Error ? error.message : String(error)}`)
    this.reply = error instanceof Error && error.name === 'ReplyError'
  }
}

export interface PublisherOptions {
  readonly prefix: string
  readonly database?: number
  readonly partitions: number
  readonly stream: string
  /** Sharded pub/sub, as Redis Cluster needs it. */
  readonly sharded: boolean
}

interface Script {
  readonly source: string
  readonly sha: string
}

const PUBLISH = script(PUBLISH_SCRIPT)
const SEED = script(SEED_SCRIPT)
const NEW_EPOCH = script(NEW_EPOCH_SCRIPT)

const allocate = (bytes: number): Buffer => Buffer.allocUnsafe(bytes)

export class Publisher {
  private readonly redis: RedisConnection
  private readonly options: PublisherOptions
  private readonly names: readonly PartitionKeys[]
  private readonly command: 'PUBLISH' | 'SPUBLISH'
  /** Per partition: its log holds nothing more below it, since this publisher trimmed it. */
  private readonly trimmed: (Offset | null)[] = []

  constructor(redis: RedisConnection, options: PublisherOptions) {
    this.redis = redis
    this.options = options
    this.names = Array.from({ length: options.partitions }, (_, p) =>
      keys(options.prefix, p, options.database),
    )
    this.command = options.sharded ? 'SPUBLISH' : 'PUBLISH'
  }

  /** Carries out one compare-and-set. Redis's faults are answers, too. `trimTo`: the log may forget what lies below. */
  async publish(call: PublishCall, trimTo: Offset | null): Promise<Answer> {
    const { meta, log, live } = this.name(call.partition)
    const { epoch, prev, last } = call
    const bytes = encodeBatch({ epoch, prev, last, events: this.events(call) }, allocate)
    const batch = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    // The offset moves about once a second, batches come by the thousand: each would look at the log for nothing.
    const trims = trimTo !== null && trimTo !== this.trimmed[call.partition]
    const trim = trims ? String(trimTo) : ''
    const args = [epoch, String(prev), String(last), call.fingerprint, trim, batch, this.command]
    try {
      const answered = await this.run(PUBLISH, [meta, log, live], args)
      const answer = toAnswer(answered)
      // Redis trims so many entries in one call at most: done only when it finds none.
      if (trims && answer.kind === 'OK' && texts(answered)[2] === '0') this.trimmed[call.partition] = trimTo
      return answer
    } catch (error) {
      return refusal(error)
    }
  }

  /** The metas of all partitions, null where there is none. Rejects with RedisFault. */
  async metas(): Promise<(Meta | null)[]> {
    const fields = [META.epoch, META.head, META.fingerprint, META.stream, META.partitions, META.form]
    return Promise.all(
      this.names.map(async ({ meta }) => toMeta(await this.call('HMGET', [meta, ...fields]))),
    )
  }

  /** Writes a partition's meta if it is absent. True: written. Rejects with RedisFault. */
  async seed(partition: number, epoch: Epoch, at: Mark): Promise<boolean> {
    const { meta, log } = this.name(partition)
    this.trimmed[partition] = null
    const answer = await this.run(SEED, [meta, log], [epoch, ...this.place(at)])
    return texts(answer)[0] === 'OK'
  }

  /**
   * Starts `epoch` in one partition if `seen` (null: no meta) is still what it holds. True: started.
   * Rejects with RedisFault.
   */
  async newEpoch(partition: number, seen: Epoch | null, epoch: Epoch, at: Mark): Promise<boolean> {
    const { meta, log } = this.name(partition)
    this.trimmed[partition] = null
    const answer = await this.run(NEW_EPOCH, [meta, log], [seen ?? '', epoch, ...this.place(at)])
    return texts(answer)[0] === 'OK'
  }

  /** Sends a message outside the sequence, on the channel of partition 0. */
  async announce(message: Uint8Array): Promise<void> {
    const bytes = Buffer.from(message.buffer, message.byteOffset, message.length)
    await this.call(this.command, [this.name(0).live, bytes])
  }

  private name(partition: number): PartitionKeys {
    return this.names[partition] ?? keys(this.options.prefix, partition, this.options.database)
  }

  private place(at: Mark): string[] {
    return [String(at.offset), at.fingerprint, this.options.stream, String(this.options.partitions)]
  }

  private events(call: PublishCall): BusEvent[] {
    const events: BusEvent[] = []
    for (const { event } of call.deliveries)
      if (event !== null) events.push(eventIn(event, call.partition, this.options.partitions))
    return events
  }

  private async run(what: Script, names: string[], args: (string | Buffer)[]): Promise<unknown> {
    const rest = [names.length, ...names, ...args]
    try {
      return await this.call('EVALSHA', [what.sha, ...rest])
    } catch (error) {
      if (!(error instanceof RedisFault) || !error.message.includes('NOSCRIPT')) throw error
      return this.call('EVAL', [what.source, ...rest])
    }
  }

  private async call(command: string, args: (string | Buffer | number)[]): Promise<unknown> {
    try {
      return await this.redis.callBuffer(command, args)
    } catch (error) {
      throw new RedisFault(error)
    }
  }
}

function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/**
 * An answer that is an error, as opposed to none. While Redis loads its data, or is a replica in a
 * failover, the call was not carried out and simply has to be tried again.
 */
function refusal(error: unknown): Answer {
  if (!(error instanceof RedisFault)) throw error
  if (!error.reply || /: (LOADING|MASTERDOWN|READONLY|CLUSTERDOWN|TRYAGAIN|BUSY)\b/.test(error.message))
    return { kind: 'lost' }
  return { kind: 'failed', why: error.message }
}

function texts(answer: unknown): string[] {
  return Array.isArray(answer) ? answer.map((part) => (part === null ? '' : String(part))) : []
}

function toAnswer(answer: unknown): Answer {
  const [kind, value = ''] = texts(answer)
  switch (kind) {
    case 'OK':
    case 'DUP':
    case 'PART':
    case 'ROLLED':
      return { kind, head: Number(value) }
    case 'EMPTY':
      return { kind }
    case 'EPOCH':
      return { kind, epoch: value as Epoch }
    default:
      return { kind: 'failed', why: `unexpected answer of the publish script: ${kind ?? 'nothing'}` }
  }
}

function toMeta(answer: unknown): Meta | null {
  const [epoch, head, fingerprint, stream, partitions, form = ''] = texts(answer)
  if (epoch === undefined || epoch === '' || head === undefined || head === '') return null
  return {
    epoch: epoch as Epoch,
    offset: Number(head),
    fingerprint: fingerprint ?? '',
    stream: stream ?? '',
    partitions: Number(partitions),
    ...(isKnownForm(form) ? {} : { form }),
  }
}
