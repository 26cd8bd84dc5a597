import { isBuffers } from '@wazo-websocketd/shared/domain/guards'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { DeadlineError, within } from '@wazo-websocketd/shared/runtime/sleep'
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import type { ConnectionPair } from '@wazo-websocketd/shared/redis/pair'
import { Script } from '@wazo-websocketd/shared/redis/script'
import { isKnownForm, keys, unknownForm } from '@wazo-websocketd/shared/redis/layout'
import type { Page } from './page.js'

/** Entries of one page, at most. */
export const PAGE_ENTRIES_MAX = 1_024
/** Entries that the script asks for at once, at most. */
const ENTRIES_AT_ONCE_MAX = 16
/** A page ends after the entry that takes it to this size. */
const PAGE_BYTES_MAX = 1024 * 1024
const READ_DEADLINE_MS = 3_000
/** After so long a read that failed is made again. */
export const READ_RETRY_MS = 200

/**
 * Reads `meta` and the log's entries that end above an offset, both of the same moment.
 *
 * KEYS meta, log. ARGV offset (empty: no entries wanted), entries at most, bytes at most.
 * Answers nothing without meta, else `{epoch, head, {batch, ...}, form or empty, replay end or 0}`. The script fetches one entry first, then
 * more at a time by the sizes seen: this costs half of what single entries cost (1,000 small ones: 1.3 ms). Redis copies
 * all entries of a fetch before their size is known: 16 entries of 1 MB after small ones hold it up for 12 ms.
 */
export const READ_SCRIPT = `
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'head', 'form', 'replay_end')
if not meta[1] or not meta[2] then return {} end
local batches, bytes, n, count = {}, 0, 0, 1
local after, entriesMax, bytesMax = ARGV[1] .. '-1', tonumber(ARGV[2]), tonumber(ARGV[3])
while ARGV[1] ~= '' and n < entriesMax and bytes < bytesMax do
  local entries = redis.call('XRANGE', KEYS[2], '(' .. after, '+', 'COUNT', count)
  for _, entry in ipairs(entries) do
    if bytes >= bytesMax then break end
    n = n + 1
    after, batches[n], bytes = entry[1], entry[2][2], bytes + #entry[2][2]
  end
  if #entries < count then break end
  count = math.min(${ENTRIES_AT_ONCE_MAX}, count * 4, entriesMax - n, math.ceil((bytesMax - bytes) * n / bytes))
end
return {meta[1], meta[2], batches, meta[3] or '', meta[4] or '0'}
`
const READ = new Script(READ_SCRIPT)

/** Says that Redis could not be asked, or did not answer in time. */
export class LogUnavailableError extends Error {
  override name = 'LogUnavailableError'
}

/** Reads one page of a partition's log; tests put a log of their own here. */
export interface LogSource {
  /**
   * Reads `meta` and what follows `after`, in about `bytesMax` bytes; with null only `meta`.
   * @throws LogUnavailableError when Redis does not answer; the caller tries again.
   */
  page(partition: number, after: Offset | null, bytesMax?: number): Promise<Page>
}

/**
 * Calls `take` with the page, or `unavailable` where Redis does not answer. Other errors are faults of this program, and are
 * thrown.
 */
export function whenRead(page: Promise<Page>, take: (page: Page) => void, unavailable: () => void): void {
  page.then(take, (error: unknown) => {
    if (!(error instanceof LogUnavailableError)) throw error
    unavailable()
  })
}

type LogCaller = Pick<ConnectionPair, 'callBuffer' | 'giveUp'>

export interface RedisLogOptions {
  readonly prefix: string
  readonly clock: Clock
  /** The connection to a partition's keys; null while there is none. */
  readonly commands: (partition: number) => LogCaller | null
}

/** Reads the log in Redis. */
export class RedisLog implements LogSource {
  private readonly options: RedisLogOptions

  constructor(options: RedisLogOptions) {
    this.options = options
  }

  async page(partition: number, after: Offset | null, bytesMax = PAGE_BYTES_MAX): Promise<Page> {
    const commands = this.options.commands(partition)
    if (commands === null) throw new LogUnavailableError('not connected to Redis')
    const names = keys(this.options.prefix, partition)
    const args = [after === null ? '' : String(after), PAGE_ENTRIES_MAX, bytesMax]
    return parsePage(await this.read(commands, READ.run(commands, [names.meta, names.log], args)))
  }

  private async read(commands: LogCaller, answer: Promise<unknown>): Promise<unknown> {
    try {
      return await within(this.options.clock, READ_DEADLINE_MS, 'a read of the log', answer)
    } catch (error) {
      if (error instanceof DeadlineError) commands.giveUp('a read was not answered in time')
      throw new LogUnavailableError(messageOf(error))
    }
  }
}

function parsePage(answer: unknown): Page {
  if (!Array.isArray(answer)) throw new LogUnavailableError('unexpected answer of the log script')
  if (answer.length === 0) return { meta: null, entries: [] }
  const [epoch, head, entries, form, end] = answer as unknown[]
  const offset = Number(head)
  const replayEnd = Number(end)
  if (
    !Buffer.isBuffer(epoch) ||
    !Number.isSafeInteger(offset) ||
    !isBuffers(entries) ||
    !Buffer.isBuffer(form)
  )
    throw new LogUnavailableError('unexpected answer of the log script')
  if (!isKnownForm(form.toString()))
    return { meta: null, entries: [], unreadable: unknownForm(form.toString()) }
  return {
    meta: {
      epoch: epoch.toString() as Epoch,
      head: offset,
      replayEnd: Number.isSafeInteger(replayEnd) ? replayEnd : 0,
    },
    entries,
  }
}
