/** The command `status`. */
import type { ToolContext } from './context.js'
import { askEdge, askIngest, askRedis } from './programs.js'
import type { Result } from './result.js'
import { statusLines } from './status-text.js'

/** Status 1 when neither an edge nor an ingest of this host answers, or one of them is not ready. */
export async function runStatus(context: ToolContext): Promise<Result> {
  const { prefix, partitions } = context.reading.config.redis
  const [edge, ingest, ofRedis] = await Promise.all([
    askEdge(context.edge),
    askIngest(context.ingest),
    askRedis(() => context.redis(), prefix, partitions),
  ])
  const report = { edge, ingest, ...ofRedis }
  const answered = typeof edge !== 'string' || typeof ingest !== 'string'
  const ready =
    (typeof edge === 'string' || edge.ready) && (typeof ingest === 'string' || ingest.missing.length === 0)
  return { status: answered && ready ? 0 : 1, lines: statusLines(report, Date.now()), json: report }
}
