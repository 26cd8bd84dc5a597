/** The last events in Redis's log, newest first. */
import { decode, EnvelopeError } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import { isBuffers } from '@wazo-websocketd/shared/domain/guards'
import { keys } from '@wazo-websocketd/shared/redis/layout'

/** A connection to Redis. */
export interface LogClient {
  callBuffer(command: string, ...args: (string | number)[]): Promise<unknown>
}

export interface LogQuery {
  readonly prefix: string
  readonly partitions: readonly number[]
  /** null: of any name. */
  readonly name: string | null
  /** Events wanted. */
  readonly count: number
}

const PAGE_ENTRIES = 100
/** Entries of one partition that are looked through. */
const ENTRIES_MAX = 5_000

/** Reads from the newest entry back, in small pages: the log may hold 64 MiB. Unreadable entries are left out. */
export async function lastEvents(client: LogClient, query: LogQuery): Promise<BusEvent[]> {
  const found: BusEvent[] = []
  for (const partition of query.partitions) found.push(...(await lastOf(client, partition, query)))
  return found.sort((a, b) => b.receivedAt - a.receivedAt).slice(0, query.count)
}

async function lastOf(
  client: LogClient,
  partition: number,
  { prefix, name, count }: LogQuery,
): Promise<BusEvent[]> {
  const { log } = keys(prefix, partition)
  const found: BusEvent[] = []
  let before = '+'
  for (let seen = 0; seen < ENTRIES_MAX; seen += PAGE_ENTRIES) {
    const page = await client.callBuffer('XREVRANGE', log, before, '-', 'COUNT', PAGE_ENTRIES)
    const entries = Array.isArray(page) ? (page as unknown[]) : []
    for (const entry of entries) {
      const [id, fields] = entry as [Buffer, unknown]
      before = `(${id.toString()}`
      const events = isBuffers(fields) && fields[1] !== undefined ? eventsNewestFirst(fields[1]) : []
      for (const event of events) if (name === null || event.name === name) found.push(event)
    }
    if (found.length >= count || entries.length < PAGE_ENTRIES) break
  }
  return found
}

/** Newest first. */
function eventsNewestFirst(bytes: Uint8Array): readonly BusEvent[] {
  try {
    const message = decode(bytes)
    return message.kind === 'batch' ? message.open().reverse() : []
  } catch (error) {
    if (error instanceof EnvelopeError) return []
    throw error
  }
}
