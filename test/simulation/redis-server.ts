import { keys } from '@wazo-websocketd/shared/redis/layout'
import { createHash } from 'node:crypto'
import { LuaInterpreter, ReplyError, type Argument, type Reply } from './lua.js'
import { RedisKeyspace, type StreamEntry } from './redis-keyspace.js'

export { ReplyError, type Argument, type Reply }

/** `redis.prefix` of all simulated programs. */
export const PREFIX = 'wazo'

/** Snapshots of the last seconds: what a server that crashed comes back with is one of them. */
const SNAPSHOTS_MAX = 10

/** Model of one Redis server: data, scripts in a Lua interpreter, and channels. Held against a real one by a test. */
export class RedisServer {
  /** Changes whenever data is lost. */
  life = 0
  /** What refuses every command, in Redis's words; null: it serves. */
  refusal: string | null = null
  /** Its wall clock minus the one it was made with, milliseconds. */
  clockStep = 0
  /** Loses a message on its way to a subscriber: Redis promises that one comes at most once. */
  loses: () => boolean = () => false
  /** How many messages were lost so. */
  lost = 0
  private readonly clock: () => number
  private readonly data: RedisKeyspace
  private readonly lua = new LuaInterpreter()
  /** Sources by their digest. */
  private readonly scripts = new Map<string, string>()
  private readonly subscribers = new Map<string, Set<(channel: string, bytes: Buffer) => void>>()
  private readonly snapshots: RedisKeyspace[] = []
  /** Called after each script, with the tag of its first key. */
  onWrite: (tag: string) => void = () => undefined

  /** @param clock Redis's wall clock, milliseconds */
  constructor(clock: () => number) {
    this.clock = () => clock() + this.clockStep
    this.data = new RedisKeyspace(this.clock)
  }

  /** Runs one command. @throws ReplyError */
  call(command: string, args: readonly Argument[]): Reply {
    if (this.refusal !== null) throw new ReplyError(this.refusal)
    switch (command) {
      case 'EVALSHA':
      case 'EVAL':
        return this.evaluate(command, args)
      case 'PUBLISH':
      case 'SPUBLISH':
        return this.publish(String(args[0]), args[1]!)
      case 'PING':
        return Buffer.from('PONG')
      default:
        return this.data.call(command, args)
    }
  }

  subscribe(channel: string, listener: (channel: string, bytes: Buffer) => void): void {
    const listeners = this.subscribers.get(channel) ?? new Set()
    this.subscribers.set(channel, listeners.add(listener))
  }

  unsubscribe(channel: string, listener: (channel: string, bytes: Buffer) => void): void {
    this.subscribers.get(channel)?.delete(listener)
  }

  /** Keeps the present data, as a server that writes to disk or to a replica does from time to time. */
  snapshot(): void {
    this.snapshots.push(this.data.copy())
    if (this.snapshots.length > SNAPSHOTS_MAX) this.snapshots.shift()
  }

  /** Comes back with the data of `ago` snapshots before; Infinity: with nothing. */
  rollBack(ago: number): void {
    const before = this.data.fingerprint()
    this.data.become(this.snapshots.at(-1 - ago) ?? new RedisKeyspace(this.clock))
    this.scripts.clear()
    this.snapshots.length = 0
    if (this.data.fingerprint() !== before) this.life++
  }

  /** Deletes the keys of a partition, as somebody at the command line may. */
  deletePartition(partition: number): void {
    const { meta, log } = keys(PREFIX, partition)
    if (Number(this.data.call('DEL', [meta, log])) > 0) this.life++
  }

  /** The fields of a hash; null: there is none. */
  hash(key: string): ReadonlyMap<string, Buffer> | null {
    return this.data.fields(key)
  }

  /** The entries of a stream. */
  stream(key: string): readonly StreamEntry[] {
    return this.data.entries(key)
  }

  private publish(channel: string, message: Argument): number {
    const bytes = Buffer.isBuffer(message) ? message : Buffer.from(String(message))
    const listeners = this.subscribers.get(channel)
    for (const listener of listeners ?? [])
      if (this.loses()) this.lost++
      else listener(channel, bytes)
    return listeners?.size ?? 0
  }

  private evaluate(command: string, [script, count, ...rest]: readonly Argument[]): Reply {
    const given = String(script)
    if (command === 'EVAL') this.scripts.set(createHash('sha1').update(given).digest('hex'), given)
    const source = command === 'EVAL' ? given : this.scripts.get(given)
    if (source === undefined) throw new ReplyError('NOSCRIPT No matching script.')
    const names = rest.slice(0, Number(count))
    try {
      return this.lua.run(source, names, rest.slice(Number(count)), (name, args) => this.call(name, args))
    } finally {
      this.onWrite(tagOf(String(names[0])))
    }
  }
}

/** What stands in braces in the name of a key or channel. */
export function tagOf(name: string): string {
  return /\{(.+?)\}/.exec(name)?.[1] ?? name
}
