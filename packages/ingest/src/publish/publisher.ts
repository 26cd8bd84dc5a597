/** The ingest's side of Redis: the scripts, the heads, the live channel. */
import { createHash } from 'node:crypto'
import { encodeBatch } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import {
  isKnownForm,
  keys,
  META,
  NEW_EPOCH_SCRIPT,
  PUBLISH_SCRIPT,
  SEED_SCRIPT,
  type PartitionKeys,
} from '@wazo-websocketd/shared/redis/layout'
import { eventIn } from '../normalise/delivery.js'
import type { Meta } from '../attach/plan.js'
import type { StreamMark } from '../attach/history.js'
import type { PublishAnswer, PublishCall } from './sequencer.js'

/**
 * What the publisher needs of a Redis connection. It must have no offline queue and must not send a command
 * again by itself: a lost answer has to be known as lost.
 */
export interface RedisConnection {
  /** Rejects when the connection is or gets lost, or with the error that Redis answers. */
  callBuffer(command: string, args: (string | Buffer | number)[]): Promise<unknown>
  /** Redis answers the command, but does not serve: makes a fresh connection. */
  renew(command: string): void
}

/** Redis did not answer, or answered with an error (`reply`). */
export class RedisFault extends Error {
  override name = 'RedisFault'
  readonly reply: boolean
  /** It does not serve now, and may later or elsewhere. */
  readonly passing: boolean

  constructor(error: unknown) {
    super(`Redis: ${error instanceof Error ? error.message : String(error)}`)
    this.reply = error instanceof Error && error.name === 'ReplyError'
    this.passing = NOT_SERVING.test(this.message) // a cluster's client wraps what a node has answered
  }
}

export interface PublisherOptions {
  readonly prefix: string
  readonly database?: number
  readonly partitions: number
  readonly stream: string
  /** Sharded pub/sub, as Redis Cluster needs it. */
  readonly sharded: boolean
  /** What the log may span, at most twice (`redis.history`, `redis.history_bytes`). */
  readonly historyMs: number
  readonly historyBytes: number
}

/** Redis answers so for as long as it does not serve: in a failover, without memory or disk, while it loads its data. */
const NOT_SERVING =
  /(?:: |-)(LOADING|MASTERDOWN|READONLY|CLUSTERDOWN|TRYAGAIN|BUSY|OOM|MISCONF|NOREPLICAS|MOVED|ASK)\b/

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
  /** Channels on which an announcement is under way. */
  private readonly announcing = new Set<string>()

  constructor(redis: RedisConnection, options: PublisherOptions) {
    this.redis = redis
    this.options = options
    this.names = Array.from({ length: options.partitions }, (_, p) =>
      keys(options.prefix, p, options.database),
    )
    this.command = options.sharded ? 'SPUBLISH' : 'PUBLISH'
  }

  /** Carries out one compare-and-set. Redis's faults are answers, too. `trimTo`: the log may forget what lies below. */
  async publish(call: PublishCall, trimTo: Offset | null): Promise<PublishAnswer> {
    const { meta, log, live } = this.name(call.partition)
    const { epoch, prev, last } = call
    const bytes = encodeBatch({ epoch, prev, last, events: this.events(call) }, allocate)
    const batch = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    // The offset moves about once a second, batches come by the thousand: each would look at the log for nothing.
    const trims = trimTo !== null && trimTo !== this.trimmed[call.partition]
    const trim = trims ? String(trimTo) : ''
    const { historyMs, historyBytes } = this.options
    const range = [epoch, String(prev), String(last), call.fingerprint, trim]
    const bounds = [String(historyMs), String(historyBytes)]
    try {
      const answered = await this.run(PUBLISH, [meta, log], [...range, batch, this.command, live, ...bounds])
      const answer = toAnswer(answered)
      // Redis trims so many entries in one call at most: done only when it finds none.
      if (trims && answer.kind === 'OK' && texts(answered)[2] === '0') this.trimmed[call.partition] = trimTo
      return answer
    } catch (error) {
      return refusal(error)
    }
  }

  /** A partition's meta, null where there is none. Rejects with RedisFault. */
  async meta(partition: number): Promise<Meta | null> {
    const fields = [META.epoch, META.head, META.fingerprint, META.stream, META.partitions, META.form]
    return toMeta(await this.call('HMGET', [this.name(partition).meta, ...fields]))
  }

  /** The metas of all partitions; undefined where Redis does not answer. Rejects with RedisFault when it does for none. */
  async metas(): Promise<(Meta | null | undefined)[]> {
    const asked = await Promise.allSettled(this.names.map((_, partition) => this.meta(partition)))
    const metas = asked.map((one) => (one.status === 'fulfilled' ? one.value : undefined))
    const [first] = asked
    if (first?.status === 'rejected' && metas.every((meta) => meta === undefined)) throw first.reason
    return metas
  }

  /** Writes a partition's meta if it is absent. True: written. Rejects with RedisFault. */
  async seed(partition: number, epoch: Epoch, at: StreamMark): Promise<boolean> {
    const { meta, log } = this.name(partition)
    this.trimmed[partition] = null
    const answer = await this.run(SEED, [meta, log], [epoch, ...this.place(at)])
    return texts(answer)[0] === 'OK'
  }

  /**
   * Starts `epoch` in one partition if `seen` (null: no meta) is still what it holds. True: started.
   * Rejects with RedisFault.
   */
  async newEpoch(partition: number, seen: Epoch | null, epoch: Epoch, at: StreamMark): Promise<boolean> {
    const { meta, log } = this.name(partition)
    this.trimmed[partition] = null
    const answer = await this.run(NEW_EPOCH, [meta, log], [seen ?? '', epoch, ...this.place(at)])
    return texts(answer)[0] === 'OK'
  }

  /** Sends a message outside the sequence, on the channel of every partition; one that hangs keeps no other from it. */
  announce(message: Uint8Array): void {
    const bytes = Buffer.from(message.buffer, message.byteOffset, message.length)
    for (const { live } of this.names) {
      if (this.announcing.has(live)) continue
      this.announcing.add(live)
      void this.call(this.command, [live, bytes])
        .catch(() => undefined) // nobody could hear it; the next one follows soon
        .finally(() => this.announcing.delete(live))
    }
  }

  private name(partition: number): PartitionKeys {
    return this.names[partition] ?? keys(this.options.prefix, partition, this.options.database)
  }

  private place(at: StreamMark): string[] {
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
      const fault = new RedisFault(error)
      if (fault.passing) this.redis.renew(command)
      throw fault
    }
  }
}

function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** What becomes of a call that failed: while Redis does not serve it was not carried out and has to be made again. */
function refusal(error: unknown): PublishAnswer {
  if (!(error instanceof RedisFault)) throw error
  return { kind: error.reply && !error.passing ? 'failed' : 'lost', why: error.message }
}

function texts(answer: unknown): string[] {
  return Array.isArray(answer) ? answer.map((part) => (part === null ? '' : String(part))) : []
}

function toAnswer(answer: unknown): PublishAnswer {
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
