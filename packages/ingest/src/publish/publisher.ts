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
import { Script, type Caller } from '@wazo-websocketd/shared/redis/script'
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import type { StreamMark } from '../attach/history.js'
import type { Meta } from '../attach/plan.js'
import { eventIn } from '../normalise/delivery.js'
import type { PublishAnswer, PublishCall } from './sequencer.js'

/**
 * A Redis connection as the publisher needs it. It must have no offline queue and must not send a command
 * again by itself: a lost answer has to be known as lost. A call rejects when the connection is or gets lost, or with the
 * error that Redis answers.
 */
export interface RedisCommands extends Caller {
  /** Makes a fresh connection, as Redis answers the command, but does not serve. */
  renew(command: string): void
}

/** Says that Redis did not answer, or answered with an error (`isReply`). */
export class RedisFault extends Error {
  override name = 'RedisFault'
  readonly isReply: boolean
  /** Redis does not serve now, and may later or elsewhere. */
  readonly isTransient: boolean
  /** Another program has put something else under the key. */
  readonly isWrongType: boolean

  constructor(error: unknown) {
    super(withRedisName(messageOf(error)))
    this.isReply = error instanceof Error && error.name === 'ReplyError'
    this.isTransient = NOT_SERVING.test(this.message) // a cluster's client wraps what a node has answered
    this.isWrongType = this.message.includes('WRONGTYPE')
  }
}

/** The connection's own errors name Redis and its address; what Redis answers does not. */
function withRedisName(message: string): string {
  return /^(no connection to )?Redis at /.test(message) ? message : `Redis: ${message}`
}

export interface PublisherOptions {
  readonly prefix: string
  readonly database?: number
  readonly partitions: number
  readonly stream: string
  /** Sharded pub/sub, as Redis Cluster needs it. */
  readonly sharded: boolean
  /** Span of the log, which is never more than twice that (`redis.history`, `redis.history_bytes`). */
  readonly historyMs: number
  readonly historyBytes: number
}

/** Redis answers so for as long as it does not serve: in a failover, without memory or disk, while it loads its data. */
const NOT_SERVING =
  /(?:: |-)(LOADING|MASTERDOWN|READONLY|CLUSTERDOWN|TRYAGAIN|BUSY|OOM|MISCONF|NOREPLICAS|MOVED|ASK)\b/

const PUBLISH = new Script(PUBLISH_SCRIPT)
const SEED = new Script(SEED_SCRIPT)
const NEW_EPOCH = new Script(NEW_EPOCH_SCRIPT)

const allocate = (bytes: number): Buffer => Buffer.allocUnsafe(bytes)

/** The ingest's side of Redis: runs the scripts, reads the heads, publishes on the live channels. */
export class Publisher {
  private readonly redis: RedisCommands
  private readonly options: PublisherOptions
  private readonly partitionKeys: readonly PartitionKeys[]
  private readonly command: 'PUBLISH' | 'SPUBLISH'
  /** By partition: the offset below which this publisher has trimmed everything from the log. */
  private readonly trimmedTo: (Offset | null)[] = []
  /** Channels on which an announcement is under way. */
  private readonly announcing = new Set<string>()

  constructor(redis: RedisCommands, options: PublisherOptions) {
    this.redis = redis
    this.options = options
    this.partitionKeys = Array.from({ length: options.partitions }, (_, p) =>
      keys(options.prefix, p, options.database),
    )
    this.command = options.sharded ? 'SPUBLISH' : 'PUBLISH'
  }

  /** Carries out one compare-and-set. Faults of Redis are answers, too. `trimTo`: the log may forget what lies below. */
  async publish(call: PublishCall, trimTo: Offset | null): Promise<PublishAnswer> {
    const names = this.keysOf(call.partition)
    const { epoch, prev, last } = call
    const bytes = encodeBatch({ epoch, prev, last, events: this.eventsOf(call) }, allocate)
    const batch = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    // The offset moves about once a second, batches come by the thousand: each would look at the log for nothing.
    const trims = trimTo !== null && trimTo !== this.trimmedTo[call.partition]
    const trim = trims ? String(trimTo) : ''
    const { historyMs, historyBytes } = this.options
    const range = [epoch, String(prev), String(last), call.fingerprint, trim]
    const bounds = [String(historyMs), String(historyBytes)]
    try {
      const reply = await this.run(PUBLISH, names, [...range, batch, this.command, names.live, ...bounds])
      const answer = toAnswer(reply)
      // Redis trims so many entries in one call at most: done only when it finds none.
      if (trims && answer.kind === 'OK' && replyStrings(reply)[2] === '0')
        this.trimmedTo[call.partition] = trimTo
      return answer
    } catch (error) {
      return toFailure(error)
    }
  }

  /** Reads a partition's meta; null: there is none, or none of ours. Rejects with RedisFault. */
  async meta(partition: number): Promise<Meta | null> {
    const fields = [META.epoch, META.head, META.fingerprint, META.stream, META.partitions, META.form]
    try {
      return toMeta(await this.call('HMGET', this.keysOf(partition).meta, ...fields))
    } catch (error) {
      if (error instanceof RedisFault && error.isWrongType) return null
      throw error
    }
  }

  /** Reads all metas; undefined where Redis does not answer. Rejects with RedisFault when it answers for none. */
  async metas(): Promise<(Meta | null | undefined)[]> {
    const results = await Promise.allSettled(this.partitionKeys.map((_, partition) => this.meta(partition)))
    const metas = results.map((result) => (result.status === 'fulfilled' ? result.value : undefined))
    const [first] = results
    if (first?.status === 'rejected' && metas.every((meta) => meta === undefined)) throw first.reason
    return metas
  }

  /**
   * Writes a partition's meta if it is absent. True: written. A meta that is there is told `replayEnd`, up to which events
   * are published again. Rejects with RedisFault.
   */
  seed(partition: number, epoch: Epoch, at: StreamMark, replayEnd: Offset): Promise<boolean> {
    return this.writeMeta(SEED, partition, [epoch], at, [String(replayEnd)])
  }

  /**
   * Starts `epoch` in one partition if `seen` (null: no meta) is still what it holds. True: started.
   * Rejects with RedisFault.
   */
  newEpoch(partition: number, seen: Epoch | null, epoch: Epoch, at: StreamMark): Promise<boolean> {
    return this.writeMeta(NEW_EPOCH, partition, [seen ?? '', epoch], at)
  }

  /** Publishes a message outside the sequence on the channel of every partition; one that hangs does not delay the others. */
  announce(message: Uint8Array): void {
    const bytes = Buffer.from(message.buffer, message.byteOffset, message.length)
    for (const { live } of this.partitionKeys) {
      if (this.announcing.has(live)) continue
      this.announcing.add(live)
      void this.call(this.command, live, bytes)
        .catch(() => undefined) // no edge could get it either; the next one follows soon
        .finally(() => this.announcing.delete(live))
    }
  }

  /** Runs a script that writes the meta of a partition and empties its log. True: it has done so. */
  private async writeMeta(
    script: Script,
    partition: number,
    epochs: string[],
    at: StreamMark,
    more: string[] = [],
  ): Promise<boolean> {
    const { stream, partitions } = this.options
    this.trimmedTo[partition] = null
    const fields = [String(at.offset), at.fingerprint, stream, String(partitions), ...more]
    return replyStrings(await this.run(script, this.keysOf(partition), [...epochs, ...fields]))[0] === 'OK'
  }

  private keysOf(partition: number): PartitionKeys {
    return this.partitionKeys[partition] ?? keys(this.options.prefix, partition, this.options.database)
  }

  private eventsOf(call: PublishCall): BusEvent[] {
    const events: BusEvent[] = []
    for (const { event } of call.deliveries)
      if (event !== null) events.push(eventIn(event, call.partition, this.options.partitions))
    return events
  }

  private async run(
    script: Script,
    { meta, log }: PartitionKeys,
    args: (string | Buffer)[],
  ): Promise<unknown> {
    try {
      return await script.run(this.redis, [meta, log], args)
    } catch (error) {
      throw this.faultOf('EVAL', error)
    }
  }

  private async call(command: string, ...args: (string | Buffer)[]): Promise<unknown> {
    try {
      return await this.redis.callBuffer(command, ...args)
    } catch (error) {
      throw this.faultOf(command, error)
    }
  }

  private faultOf(command: string, error: unknown): RedisFault {
    const fault = new RedisFault(error)
    if (fault.isTransient) this.redis.renew(command)
    return fault
  }
}

/** The answer that a failed call counts as: while Redis does not serve it was not carried out and has to be made again. */
function toFailure(error: unknown): PublishAnswer {
  if (!(error instanceof RedisFault)) throw error
  return { kind: error.isReply && !error.isTransient ? 'failed' : 'lost', why: error.message }
}

function replyStrings(reply: unknown): string[] {
  return Array.isArray(reply) ? reply.map((part) => (part === null ? '' : String(part))) : []
}

function toAnswer(reply: unknown): PublishAnswer {
  const [kind, value = ''] = replyStrings(reply)
  switch (kind) {
    case 'OK':
    case 'DUP':
    case 'PART':
    case 'ROLLED':
      return { kind, head: Number(value) }
    case 'EMPTY':
    case 'CORRUPT':
      return { kind }
    case 'EPOCH':
      return { kind, epoch: value as Epoch }
    default:
      return { kind: 'failed', why: `unexpected answer of the publish script: ${kind ?? 'nothing'}` }
  }
}

function toMeta(reply: unknown): Meta | null {
  const [epoch, head, fingerprint, stream, partitions, form = ''] = replyStrings(reply)
  const offset = Number(head ?? '')
  if (epoch === undefined || epoch === '' || head === '' || !Number.isSafeInteger(offset)) return null
  return {
    epoch: epoch as Epoch,
    offset,
    fingerprint: fingerprint ?? '',
    stream: stream ?? '',
    partitions: Number(partitions),
    ...(isKnownForm(form) ? {} : { form }),
  }
}
