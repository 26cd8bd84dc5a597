import { READ_SCRIPT } from '@wazo-websocketd/edge/bus/log'
import { NEW_EPOCH_SCRIPT, PUBLISH_SCRIPT, SEED_SCRIPT } from '@wazo-websocketd/shared/redis/layout'
import { createHash } from 'node:crypto'

type Argument = string | number | Buffer
/** An answer as ioredis gives it to `callBuffer`. */
export type Reply = Buffer | number | null | readonly Reply[]

interface Entry {
  readonly last: number
  readonly batch: Buffer
}

/** The two keys of one partition, by the tag that they share. */
interface Partition {
  /** null: there is no such key. */
  meta: Map<string, string> | null
  log: Entry[]
}

/** Says that the server refuses a command, in Redis's words. */
export class ReplyError extends Error {
  override name = 'ReplyError'
}

type ScriptModel = (server: RedisServer, partition: Partition, args: readonly Argument[]) => Reply

const sha = (source: string): string => createHash('sha1').update(source).digest('hex')
const text = (argument: Argument | undefined): string => String(argument ?? '')
const reply = (...parts: (string | number)[]): Reply =>
  parts.map((part) => (typeof part === 'number' ? part : Buffer.from(part)))

/** Models of the project's scripts, by their digests. */
const SCRIPTS: ReadonlyMap<string, ScriptModel> = new Map([
  [sha(PUBLISH_SCRIPT), publishBatch],
  [sha(SEED_SCRIPT), seed],
  [sha(NEW_EPOCH_SCRIPT), newEpoch],
  [sha(READ_SCRIPT), readLog],
])
const PASSED_MS_MAX = 2000
/** Snapshots of the last seconds: what a server that crashed comes back with is one of them. */
const SNAPSHOTS_MAX = 10

/** Model of one Redis server: the project's keys, scripts and channels. Held against a real one by a test. */
export class RedisServer {
  /** Changes whenever data is lost. */
  life = 0
  /** What refuses every command, in Redis's words; null: it serves. */
  refusal: string | null = null
  private readonly partitions = new Map<string, Partition>()
  private readonly scripts = new Set<string>()
  private readonly subscribers = new Map<string, Set<(channel: string, bytes: Buffer) => void>>()
  private readonly snapshots: Map<string, Partition>[] = []
  private readonly clock: () => number
  /** Called after each command that may have changed a partition. */
  onWrite: (tag: string) => void = () => undefined

  /** @param clock Redis's wall clock, milliseconds */
  constructor(clock: () => number) {
    this.clock = clock
  }

  get time(): number {
    return this.clock()
  }

  /** Runs one command. @throws ReplyError */
  call(command: string, args: readonly Argument[]): Reply {
    if (this.refusal !== null) throw new ReplyError(this.refusal)
    switch (command) {
      case 'EVALSHA':
      case 'EVAL':
        return this.evaluate(command, args)
      case 'HMGET':
        return this.hashFields(args)
      case 'PUBLISH':
      case 'SPUBLISH':
        return this.publish(text(args[0]), args[1] as Buffer)
      case 'DEL':
        return 0
      case 'PING':
        return Buffer.from('PONG')
      default:
        throw new ReplyError(`ERR unknown command '${command}'`)
    }
  }

  subscribe(channel: string, listener: (channel: string, bytes: Buffer) => void): void {
    const listeners = this.subscribers.get(channel) ?? new Set()
    this.subscribers.set(channel, listeners.add(listener))
  }

  unsubscribe(channel: string, listener: (channel: string, bytes: Buffer) => void): void {
    this.subscribers.get(channel)?.delete(listener)
  }

  publish(channel: string, bytes: Buffer): number {
    const listeners = this.subscribers.get(channel)
    for (const listener of listeners ?? []) listener(channel, bytes)
    return listeners?.size ?? 0
  }

  /** Keeps the present data, as a server that writes to disk or to a replica does from time to time. */
  snapshot(): void {
    const copy = new Map(
      [...this.partitions].map(([tag, { meta, log }]) => [
        tag,
        { meta: meta && new Map(meta), log: log.slice() },
      ]),
    )
    this.snapshots.push(copy)
    if (this.snapshots.length > SNAPSHOTS_MAX) this.snapshots.shift()
  }

  /** Comes back with the data of `ago` snapshots before; Infinity: with nothing. Returns whether that lost anything. */
  rollBack(ago: number): boolean {
    const before = this.describe()
    const kept = this.snapshots.at(-1 - ago)
    this.partitions.clear()
    for (const [tag, { meta, log }] of kept ?? [])
      this.partitions.set(tag, { meta: meta && new Map(meta), log: log.slice() })
    this.scripts.clear()
    const lost = this.describe() !== before
    if (lost) this.life++
    this.snapshots.length = 0
    return lost
  }

  /** Deletes the keys of a partition, as somebody at the command line may. */
  delete(tag: string): void {
    if (this.partitions.delete(tag)) this.life++
  }

  /** `meta` of a partition; null: there is none. */
  meta(tag: string): ReadonlyMap<string, string> | null {
    return this.partitions.get(tag)?.meta ?? null
  }

  log(tag: string): readonly Entry[] {
    return this.partitions.get(tag)?.log ?? []
  }

  private describe(): string {
    return JSON.stringify(
      [...this.partitions].map(([tag, { meta, log }]) => [tag, meta && [...meta], log.length]),
    )
  }

  private evaluate(command: string, [script, count, ...rest]: readonly Argument[]): Reply {
    const digest = command === 'EVAL' ? sha(text(script)) : text(script)
    if (command === 'EVAL') this.scripts.add(digest)
    const model = SCRIPTS.get(digest)
    if (!this.scripts.has(digest)) throw new ReplyError('NOSCRIPT No matching script.')
    if (model === undefined) throw new Error('a script without a model')
    const tag = tagOf(text(rest[0]))
    const partition = this.partition(tag)
    const answer = model(this, partition, rest.slice(Number(count)))
    if (model !== readLog) this.onWrite(tag)
    return answer
  }

  private hashFields([key, ...fields]: readonly Argument[]): Reply {
    const { meta } = this.partition(tagOf(text(key)))
    return fields.map((field) => {
      const value = meta?.get(text(field))
      return value === undefined ? null : Buffer.from(value)
    })
  }

  private partition(tag: string): Partition {
    const known = this.partitions.get(tag) ?? { meta: null, log: [] }
    this.partitions.set(tag, known)
    return known
  }
}

/** What stands in braces in the name of a key or channel. */
export function tagOf(name: string): string {
  return /\{(.+?)\}/.exec(name)?.[1] ?? name
}

function publishBatch(server: RedisServer, partition: Partition, args: readonly Argument[]): Reply {
  const [epoch, prevText, lastText, fingerprint, trim, batch, , channel, spanMs, spanBytes] = args
  const { meta, log } = partition
  const head = meta?.get('head')
  const recorded = meta?.get('epoch')
  if (meta === null || head === undefined || recorded === undefined) return reply('EMPTY')
  if (recorded !== text(epoch)) return reply('EPOCH', recorded)
  const [prev, last] = [Number(text(prevText)), Number(text(lastText))]
  if (Number(head) !== prev)
    return reply(Number(head) >= last ? 'DUP' : Number(head) > prev ? 'PART' : 'ROLLED', head)
  log.push({ last, batch: batch as Buffer })
  let trimmed = 0
  if (text(trim) !== '') trimmed = trimBelow(log, Number(text(trim)))
  const clock = Math.floor(server.time)
  const passed = Math.min(Math.max(clock - Number(meta.get('mark_clock') ?? clock), 0), PASSED_MS_MAX)
  const mark = meta.get('mark')
  let ms = Number(meta.get('mark_ms') ?? 0) + passed
  let bytes = Number(meta.get('mark_bytes') ?? 0) + (batch as Buffer).length
  let nextMark = mark
  if (mark === undefined || ms >= Number(spanMs) || bytes >= Number(spanBytes)) {
    if (mark !== undefined) trimBelow(log, Number(mark) + 1)
    ;[nextMark, ms, bytes] = [text(lastText), 0, 0]
  }
  meta.set('head', text(lastText)).set('fingerprint', text(fingerprint)).set('mark', nextMark!)
  meta.set('mark_ms', String(ms)).set('mark_bytes', String(bytes)).set('mark_clock', String(clock))
  server.publish(text(channel), batch as Buffer)
  return reply('OK', text(lastText), trimmed)
}

function trimBelow(log: Entry[], offset: number): number {
  const kept = log.findIndex(({ last }) => last >= offset)
  return log.splice(0, kept === -1 ? log.length : kept).length
}

function seed(_: RedisServer, partition: Partition, args: readonly Argument[]): Reply {
  const [epoch, head, fingerprint, stream, partitions, replayEnd] = args.map(text)
  const { meta } = partition
  const recorded = meta?.get('epoch')
  if (meta !== null && recorded !== undefined && meta.has('head')) {
    const known = Math.max(Number(meta.get('head')), Number(meta.get('replay_end') ?? 0))
    if (recorded === epoch && known < Number(replayEnd)) meta.set('replay_end', replayEnd!)
    return reply('EXISTS', recorded)
  }
  partition.log = []
  partition.meta = new Map(
    Object.entries({ epoch, head, fingerprint, stream, partitions, replay_end: replayEnd }) as [
      string,
      string,
    ][],
  )
  return reply('OK')
}

function newEpoch(_: RedisServer, partition: Partition, args: readonly Argument[]): Reply {
  const [seen, epoch, head, fingerprint, stream, partitions] = args.map(text)
  const { meta } = partition
  const recorded = meta?.has('head') === true ? (meta.get('epoch') ?? '') : ''
  if (recorded !== seen) return reply('OTHER', recorded)
  partition.log = []
  partition.meta = new Map(
    Object.entries({ epoch, head, fingerprint, stream, partitions }) as [string, string][],
  )
  return reply('OK')
}

function readLog(_: RedisServer, { meta, log }: Partition, args: readonly Argument[]): Reply {
  const epoch = meta?.get('epoch')
  const head = meta?.get('head')
  if (meta === null || epoch === undefined || head === undefined) return []
  const batches: Buffer[] = []
  const [after, entriesMax, bytesMax] = [text(args[0]), Number(args[1]), Number(args[2])]
  if (after !== '') {
    let bytes = 0
    for (let i = firstAbove(log, Number(after)); i < log.length; i++) {
      if (batches.length >= entriesMax || bytes >= bytesMax) break
      batches.push(log[i]!.batch)
      bytes += log[i]!.batch.length
    }
  }
  const rest = [meta.get('form') ?? '', meta.get('replay_end') ?? '0'].map((value) => Buffer.from(value))
  return [Buffer.from(epoch), Buffer.from(head), batches, ...rest]
}

function firstAbove(log: readonly Entry[], offset: number): number {
  let [low, high] = [0, log.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (log[middle]!.last > offset) high = middle
    else low = middle + 1
  }
  return low
}
