/**
 * What the programs agree on in Redis: key names, the layout of `meta` and of the log, and the Lua
 * scripts that write them.
 *
 * Per partition `p` there are two keys and one channel, all in the hash slot of `{p}`:
 *
 * - `meta`, a hash. It is absent until an ingest has started the first epoch. Fields:
 *   - `epoch`       identity of the numbering
 *   - `head`        decimal offset up to which the partition has been published
 *   - `fingerprint` 16 hex digits: the first 8 bytes of SHA-256 over the body of the message at `head`
 *   - `stream`      name of the RabbitMQ stream that the offsets belong to
 *   - `partitions`  decimal count of partitions of this numbering
 *   - `replay_end`  decimal offset up to which events had been published when Redis lost them: they are published again
 *     for readers that go on from an earlier place, and a reader without a place begins no earlier than here. May be absent.
 *   - `form`        absent in the form that is described here; `epoch` and `head` mean the same in every form
 *   - `mark`, `mark_ms`, `mark_bytes`  an offset, and how much time and how many bytes the log has grown by since;
 *     `mark_clock`, Redis's time of the last batch in milliseconds
 * - `log`, a stream. One entry per batch, with the id `<last>-1` (`last` being the batch's last offset; `0-0` is not a valid id)
 *   and the one field `b`: the bytes of `encodeBatch`, with `prev` and `last` inside.
 *   `XRANGE log <cursor + 1> + COUNT n` therefore gives the batches that reach above a cursor. The log is
 *   trimmed from the old end; seeding and a new epoch empty it.
 * - `live`, a channel (sharded on Redis Cluster): the same bytes as in the log, and `encodeState` outside
 *   the sequence.
 */

/** The names of one partition. */
export interface PartitionKeys {
  readonly meta: string
  readonly log: string
  readonly live: string
}

/** The names that partition `partition` has under `prefix` (`redis.prefix`) in a database. */
export function keys(prefix: string, partition: number, database = 0): PartitionKeys {
  const base = `${prefix}:{${partition}}`
  return { meta: `${base}:meta`, log: `${base}:log`, live: channelIn(database, `${base}:live`) }
}

/** Channels, unlike keys, are one space for all databases of a Redis: two installations may differ by that number alone. */
export function channelIn(database: number, name: string): string {
  return database === 0 ? name : `${name}@${database}`
}

/**
 * The tickets that drained sessions of one token leave: a hash, by the ticket's id. `tokenHash` stands for the
 * token, and in braces spreads the tickets over the slots of a Redis Cluster.
 */
export function ticketsKey(prefix: string, tokenHash: string): string {
  return `${prefix}:{${tokenHash}}:tickets`
}

/** The channel on which draining workers tell each other whose sessions they let go; sharded on Redis Cluster. */
export function drainChannel(prefix: string, database = 0): string {
  return channelIn(database, `{${prefix}}:drains`)
}

/** Fields of the hash `meta`. */
export const META = {
  epoch: 'epoch',
  head: 'head',
  fingerprint: 'fingerprint',
  stream: 'stream',
  partitions: 'partitions',
  replayEnd: 'replay_end',
  form: 'form',
} as const

/**
 * Whether this program reads what a numbering with this `form` in `meta` holds (docs/adr/0010): the form in which
 * programs of this version write has none.
 */
export function isKnownForm(form: string | null): boolean {
  return form === null || form === ''
}

/** Says of a `form` that it is not known. */
export function unknownForm(form: string): string {
  return `numbering of form ${form}: this program reads the one without a form`
}

/**
 * The one compare-and-set by which events enter Redis: "my batch follows `prev` in `epoch`".
 *
 * KEYS meta, log. ARGV epoch, prev, last, fingerprint of `last`, offset below which the log is trimmed (empty: not at
 * all), the batch, `PUBLISH` or `SPUBLISH`, the channel, milliseconds and bytes that the log may span. The channel is no key: for a slot that is being moved Redis answers TRYAGAIN as long
 * as one of several keys is missing, and a channel is never there.
 *
 * Answers `{"OK", last, number of entries trimmed}`, `{"EMPTY"}`, `{"EPOCH", recorded epoch}`, `{"DUP", head}`, `{"PART", head}`,
 * `{"ROLLED", head}` or `{"CORRUPT"}`. The XADD comes first: when it fails, head has not advanced.
 *
 * Only these scripts write the two keys, so the newest entry is that of the head, and none lies between two batches. Where
 * that does not hold, another program has written there. Then the script deletes both keys, as if Redis had lost
 * them, and answers CORRUPT: the ingests publish the history again.
 *
 * Ingests trim by what they remember. For those that end before they remember enough the script counts by itself how
 * much time and how many bytes have gone by since `mark`: when it is too much, all up to the mark goes, and the next mark
 * is set. So the log never spans more than twice what it may, whatever becomes of the ingests. From one batch to the
 * next, which is a second in a quiet time, two seconds are counted at most: the clock of another server may be ahead by hours.
 */
export const PUBLISH_SCRIPT = `
local function corrupt()
  redis.call('DEL', KEYS[1], KEYS[2])
  return {'CORRUPT'}
end
local function wrong(answer)
  return answer.err and (string.find(answer.err, 'WRONGTYPE') or string.find(answer.err, 'equal or smaller'))
end
local meta = redis.pcall('HMGET', KEYS[1], 'epoch', 'head', 'mark', 'mark_ms', 'mark_bytes', 'mark_clock')
if wrong(meta) then return corrupt() end
if meta.err then return meta end
if not meta[1] or not meta[2] then return {'EMPTY'} end
if meta[1] ~= ARGV[1] then return {'EPOCH', meta[1]} end
local head, prev, last = tonumber(meta[2]), tonumber(ARGV[2]), tonumber(ARGV[3])
if head ~= prev then
  local top = redis.pcall('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
  if top.err and not wrong(top) then return top end
  if not head or top.err or (top[1] and top[1][1] ~= meta[2] .. '-1') then return corrupt() end
  return {head >= last and 'DUP' or head > prev and 'PART' or 'ROLLED', meta[2]}
end
local added = redis.pcall('XADD', KEYS[2], ARGV[3] .. '-1', 'b', ARGV[6])
if wrong(added) then return corrupt() end
if type(added) == 'table' and added.err then return added end
if #redis.call('XRANGE', KEYS[2], '(' .. ARGV[2] .. '-1', '(' .. ARGV[3] .. '-1', 'COUNT', 1) > 0 then return corrupt() end
for i = 3, 6 do meta[i] = meta[i] and tonumber(meta[i]) end
local trimmed = 0
if ARGV[5] ~= '' then trimmed = redis.call('XTRIM', KEYS[2], 'MINID', '~', ARGV[5]) end
local time = redis.call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)
local passed = math.min(math.max(clock - (meta[6] or clock), 0), 2000)
local mark, ms, bytes = meta[3], (meta[4] or 0) + passed, (meta[5] or 0) + #ARGV[6]
if not mark or ms >= tonumber(ARGV[9]) or bytes >= tonumber(ARGV[10]) then
  if mark then redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f', mark + 1)) end
  mark, ms, bytes = ARGV[3], 0, 0
end
redis.call('HSET', KEYS[1], 'head', ARGV[3], 'fingerprint', ARGV[4], 'mark', mark, 'mark_ms', ms, 'mark_bytes', bytes, 'mark_clock', string.format('%.0f', clock))
redis.call(ARGV[7], ARGV[8], ARGV[6])
return {'OK', ARGV[3], trimmed}
`

/**
 * Writes `meta` if it is absent or of no use, and empties the log: Redis lost its data, the numbering goes on. Where `meta` is
 * there in this epoch, Redis came back older: then only `replay_end` is written, if it is more than what is there.
 *
 * KEYS meta, log. ARGV epoch, head, fingerprint, stream, partitions, replay end.
 * Answers `{"OK"}` or `{"EXISTS", recorded epoch}`.
 */
export const SEED_SCRIPT = `
local meta = redis.pcall('HMGET', KEYS[1], 'epoch', 'head', 'replay_end')
if not meta.err and meta[1] and tonumber(meta[2] or '') then
  local replay_end = math.max(tonumber(meta[2]), tonumber(meta[3] or '') or 0)
  if meta[1] == ARGV[1] and replay_end < tonumber(ARGV[6]) then redis.call('HSET', KEYS[1], 'replay_end', ARGV[6]) end
  return {'EXISTS', meta[1]}
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'head', ARGV[2], 'fingerprint', ARGV[3], 'stream', ARGV[4], 'partitions', ARGV[5], 'replay_end', ARGV[6])
return {'OK'}
`

/**
 * Starts a new epoch if the recorded one is still the one that the caller saw, and empties the log:
 * continuity is lost.
 *
 * KEYS meta, log. ARGV epoch seen (empty: no meta), new epoch, head, fingerprint, stream, partitions.
 * Answers `{"OK"}` or `{"OTHER", recorded epoch or empty}`.
 */
export const NEW_EPOCH_SCRIPT = `
local meta = redis.pcall('HMGET', KEYS[1], 'epoch', 'head')
local epoch = not meta.err and meta[1] and tonumber(meta[2] or '') and meta[1] or ''
if epoch ~= ARGV[1] then return {'OTHER', epoch} end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'head', ARGV[3], 'fingerprint', ARGV[4], 'stream', ARGV[5], 'partitions', ARGV[6])
return {'OK'}
`
