/** The command `sessions`. */
import { ask, order, type AdminPlace } from './admin-client.js'
import type { SessionsOrder } from './command-line.js'
import { CommandError, type Result } from './result.js'
import { sessionLines } from './sessions-text.js'
import { isClosedAnswer, isSessionsAnswer } from './shapes.js'

const LIST_MS_MAX = 30_000
const OTHER_RELEASE = 'the edge is of another release than this tool'

export async function runSessions(edge: AdminPlace, options: SessionsOrder): Promise<Result> {
  const { user, tenant, tokenHash, slow, limit, offset, close, all } = options
  const filter = {
    ...(user === undefined ? {} : { user }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(tokenHash === undefined ? {} : { tokenHash }),
  }
  if (close !== null)
    return closed(await order(edge, '/admin/close', { code: close, ...filter, slow, all }, null))
  const query = new URLSearchParams({
    ...filter,
    ...(slow ? { slow: 'true' } : {}),
    limit: String(limit),
    offset: String(offset),
  })
  const answer = await ask(edge, `/admin/sessions?${query.toString()}`, LIST_MS_MAX)
  if (!isSessionsAnswer(answer)) throw new CommandError(OTHER_RELEASE)
  return { status: sessionsStatus(answer.unanswered), lines: sessionLines(answer, Date.now()), json: answer }
}

function closed(answer: unknown): Result {
  if (!isClosedAnswer(answer)) throw new CommandError(OTHER_RELEASE)
  const { closed: count, unanswered: silent } = answer
  return {
    status: sessionsStatus(silent),
    lines: [
      `${count} sessions are being closed`,
      ...silent.map((worker) => `worker ${worker} does not answer: its sessions are not closed`),
    ],
    json: answer,
  }
}

/** An answer that lacks a worker is none to rely on. */
function sessionsStatus(unanswered: readonly unknown[]): number {
  return unanswered.length > 0 ? 1 : 0
}
