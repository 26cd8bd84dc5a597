/** Model of the data of one Redis server: hashes and streams, with the commands that the project uses. */
import { ReplyError, type Argument, type Reply } from './lua.js'

const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'
const SMALLER_ID = 'ERR The ID specified in XADD is equal or smaller than the target stream top item'

/** A stream's id: `<ms>-<seq>`. */
interface Id {
  readonly ms: number
  readonly seq: number
}

export interface StreamEntry extends Id {
  readonly fields: readonly Buffer[]
}

type Hash = Map<string, Buffer>
interface Stream {
  entries: StreamEntry[]
  /** Stays when entries are trimmed. */
  last: Id
}
type Value = Hash | Stream
interface Key {
  readonly value: Value
  /** On Redis's clock, in milliseconds; Infinity: it does not expire. */
  expiresAt: number
}
type Command = (args: readonly Argument[]) => Reply

const text = (argument: Argument | undefined): string => String(argument ?? '')
const bytes = (argument: Argument | undefined): Buffer =>
  Buffer.isBuffer(argument) ? argument : Buffer.from(text(argument))
const idText = ({ ms, seq }: Id): string => `${ms}-${seq}`
const isBelow = (a: Id, b: Id): boolean => a.ms < b.ms || (a.ms === b.ms && a.seq < b.seq)

export class RedisKeyspace {
  private readonly clock: () => number
  private keys = new Map<string, Key>()
  private readonly commands: ReadonlyMap<string, Command>

  /** @param clock Redis's wall clock, milliseconds */
  constructor(clock: () => number) {
    this.clock = clock
    const own: Record<string, Command> = {
      DEL: (args) => args.filter((key) => this.keys.delete(text(key))).length,
      HDEL: ([key, ...fields]) => this.hdel(text(key), fields),
      HGET: ([key, field]) => this.hash(text(key))?.get(text(field)) ?? null,
      HGETALL: ([key]) =>
        [...(this.hash(text(key)) ?? [])].flatMap(([field, value]) => [bytes(field), value]),
      HMGET: ([key, ...fields]) => {
        const hash = this.hash(text(key))
        return fields.map((field) => hash?.get(text(field)) ?? null)
      },
      HSET: ([key, ...pairs]) => this.hset(text(key), pairs),
      PEXPIRE: ([key, ms]) => this.pexpire(text(key), Number(text(ms))),
      TIME: () => {
        const now = this.clock()
        return [Math.floor(now / 1000), Math.floor((now % 1000) * 1000)].map((part) => bytes(String(part)))
      },
      XADD: ([key, id, ...fields]) => this.xadd(text(key), text(id), fields),
      XRANGE: ([key, from, to, , count]) => this.xrange(text(key), text(from), text(to), count),
      XREVRANGE: ([key, , , , count]) =>
        (this.stream(text(key))?.entries ?? [])
          .slice(-Number(text(count)))
          .reverse()
          .map(entryReply),
      XTRIM: ([key, , ...rest]) => this.xtrim(text(key), text(rest.at(-1))),
    }
    this.commands = new Map(Object.entries(own))
  }

  /** Runs one command. @throws ReplyError */
  call(name: string, args: readonly Argument[]): Reply {
    const command = this.commands.get(name)
    if (command === undefined) throw new ReplyError(`ERR unknown command '${name}'`)
    return command(args)
  }

  /** The fields of a hash; null: there is none. */
  fields(key: string): ReadonlyMap<string, Buffer> | null {
    return this.hash(key)
  }

  /** The entries of a stream. */
  entries(key: string): readonly StreamEntry[] {
    return this.stream(key)?.entries ?? []
  }

  copy(): RedisKeyspace {
    const copy = new RedisKeyspace(this.clock)
    for (const [name, { value, expiresAt }] of this.keys)
      copy.keys.set(name, {
        value: value instanceof Map ? new Map(value) : { entries: value.entries.slice(), last: value.last },
        expiresAt,
      })
    return copy
  }

  /** Has the data of another one from now on; it must not be used any more. */
  become(other: RedisKeyspace): void {
    this.keys = other.keys
  }

  /** Changes with what is in it, for keys that do not expire. */
  fingerprint(): string {
    const lasting = [...this.keys].filter(([, { expiresAt }]) => expiresAt === Infinity)
    const parts = lasting.map(([name, { value }]) =>
      value instanceof Map
        ? `${name} ${[...value].map(([field, each]) => `${field}=${each.toString('latin1')}`).join()}`
        : `${name} ${value.entries.length} ${idText(value.last)}`,
    )
    return parts.join('\n')
  }

  private find(name: string): Value | undefined {
    const key = this.keys.get(name)
    if (key === undefined || key.expiresAt > this.clock()) return key?.value
    this.keys.delete(name)
    return undefined
  }

  private hash(name: string): Hash | null {
    const value = this.find(name)
    if (value === undefined || value instanceof Map) return value ?? null
    throw new ReplyError(WRONG_TYPE)
  }

  private stream(name: string): Stream | null {
    const value = this.find(name)
    if (value instanceof Map) throw new ReplyError(WRONG_TYPE)
    return value ?? null
  }

  private create<T extends Value>(name: string, value: T): T {
    this.keys.set(name, { value, expiresAt: Infinity })
    return value
  }

  private hset(name: string, pairs: readonly Argument[]): Reply {
    const hash = this.hash(name) ?? this.create(name, new Map<string, Buffer>())
    const before = hash.size
    for (let i = 0; i < pairs.length; i += 2) hash.set(text(pairs[i]), bytes(pairs[i + 1]))
    return hash.size - before
  }

  private hdel(name: string, fields: readonly Argument[]): Reply {
    const hash = this.hash(name)
    const gone = fields.filter((field) => hash?.delete(text(field))).length
    if (hash?.size === 0) this.keys.delete(name)
    return gone
  }

  private pexpire(name: string, ms: number): Reply {
    if (this.find(name) === undefined) return 0
    this.keys.get(name)!.expiresAt = this.clock() + ms
    return 1
  }

  private xadd(name: string, idOf: string, fields: readonly Argument[]): Reply {
    const id = parseId(idOf, 0)
    const stream = this.stream(name)
    if (stream !== null && !isBelow(stream.last, id)) throw new ReplyError(SMALLER_ID)
    const { entries } = stream ?? this.create(name, { entries: [], last: id })
    entries.push({ ...id, fields: fields.map(bytes) })
    ;(this.stream(name) as Stream).last = id
    return bytes(idText(id))
  }

  private xrange(name: string, from: string, to: string, count: Argument | undefined): Reply {
    const entries = this.stream(name)?.entries ?? []
    const [first, last] = [boundOf(from, 0), boundOf(to, Infinity)]
    const max = count === undefined ? Infinity : Number(text(count))
    const found: StreamEntry[] = []
    for (let i = firstFrom(entries, first); i < entries.length && found.length < max; i++) {
      const entry = entries[i]!
      const isPast = last.exclusive ? !isBelow(entry, last.id) : isBelow(last.id, entry)
      if (isPast) break
      found.push(entry)
    }
    return found.map(entryReply)
  }

  private xtrim(name: string, minId: string): Reply {
    const stream = this.stream(name)
    if (stream === null) return 0
    return stream.entries.splice(0, firstFrom(stream.entries, { id: parseId(minId, 0), exclusive: false }))
      .length
  }
}

interface Bound {
  readonly id: Id
  readonly exclusive: boolean
}

function entryReply(entry: StreamEntry): Reply {
  return [bytes(idText(entry)), entry.fields]
}

function parseId(id: string, seqUnlessGiven: number): Id {
  const [ms, seq] = id.split('-')
  return { ms: Number(ms), seq: seq === undefined ? seqUnlessGiven : Number(seq) }
}

function boundOf(bound: string, seqUnlessGiven: number): Bound {
  if (bound === '-') return { id: { ms: 0, seq: 0 }, exclusive: false }
  if (bound === '+') return { id: { ms: Infinity, seq: Infinity }, exclusive: false }
  const exclusive = bound.startsWith('(')
  return { id: parseId(exclusive ? bound.slice(1) : bound, seqUnlessGiven), exclusive }
}

/** The index of the first entry that is not before the bound. */
function firstFrom(entries: readonly StreamEntry[], { id, exclusive }: Bound): number {
  let [low, high] = [0, entries.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const entry = entries[middle]!
    if (exclusive ? isBelow(id, entry) : !isBelow(entry, id)) high = middle
    else low = middle + 1
  }
  return low
}
