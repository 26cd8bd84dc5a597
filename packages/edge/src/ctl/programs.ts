/** What edge and ingest of this host say, and which others there are. */
import { keys, META } from '@wazo-websocketd/shared/redis/layout'
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import { AdminError, ask, type AdminPlace } from './admin-client.js'
import { clusterPrograms } from './cluster-programs.js'
import type { RedisAccess } from './redis-access.js'
import { isEdgeAnswer, isIngestAnswer, type EdgeAnswer, type IngestAnswer } from './shapes.js'
import type { StatusReport } from './status-text.js'

const ASK_MS_MAX = 3_000
const STATUS = '/admin/status'

/** The answer, or one line that says why there is none. Never rejects. */
export async function askEdge(place: AdminPlace): Promise<EdgeAnswer | string> {
  return askProgram(place, isEdgeAnswer)
}

/** The same of an ingest. */
export async function askIngest(place: AdminPlace): Promise<IngestAnswer | string> {
  return askProgram(place, isIngestAnswer)
}

async function askProgram<T>(
  place: AdminPlace,
  isAnswer: (value: unknown) => value is T,
): Promise<T | string> {
  try {
    const answer = await ask(place, STATUS, ASK_MS_MAX)
    return isAnswer(answer) ? answer : `${place.program} is of another release than this tool`
  } catch (error) {
    if (error instanceof AdminError) return error.message
    throw error
  }
}

/** What Redis shows of all hosts. Never rejects. */
export async function askRedis(
  open: () => Promise<RedisAccess>,
  prefix: string,
  partitions: number,
): Promise<Pick<StatusReport, 'programs' | 'heads'>> {
  let access: RedisAccess
  try {
    access = await open()
  } catch (error) {
    return { programs: messageOf(error), heads: messageOf(error) }
  }
  const { client } = access
  const describe = (error: unknown): string => access.describe(error)
  const [programs, heads] = await Promise.all([
    clusterPrograms(client).catch(describe),
    Promise.all(
      Array.from({ length: partitions }, async (_, p) => {
        const head = await client.hget(keys(prefix, p).meta, META.head)
        return head === null ? null : Number(head)
      }),
    ).catch(describe),
  ])
  return { programs, heads }
}
