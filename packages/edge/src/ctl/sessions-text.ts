/** `sessions` as a table. Pure. */
import { duration } from './explain/token-text.js'
import type { SessionAnswer, SessionsAnswer } from './shapes.js'

const NAMES_SHOWN = 3
const HEAD = [
  'W',
  'TOKEN',
  'USER',
  'TENANT',
  'ADDRESS',
  'V',
  'FOR',
  'SENT',
  'BUFFERED',
  'BEHIND',
  'PONG',
  'SUBSCRIPTIONS',
]

/** @param now milliseconds of Unix time */
export function sessionLines(
  { sessions, matched, unanswered }: SessionsAnswer,
  now: number,
): readonly string[] {
  const rows = [HEAD, ...sessions.map((session) => cells(session, now))]
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const table = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return [
    ...(sessions.length === 0 ? [] : table),
    `${sessions.length} of ${matched} sessions${sessions.length < matched ? ': --limit and --offset show others' : ''}`,
    ...unanswered.map((worker) => `worker ${worker} does not answer: its sessions are missing here`),
  ]
}

function cells(session: SessionAnswer, now: number): readonly string[] {
  const { worker, token, user, tenant, address, version, since, sentEvents, bufferedBytes, behind } = session
  return [
    String(worker),
    token,
    (user ?? '-') + (session.admin === true ? '*' : ''),
    tenant ?? '-',
    address,
    String(version),
    duration((now - Date.parse(since)) / 1000),
    String(sentEvents),
    String(bufferedBytes),
    String(behind),
    session.lastPongSeconds === null ? '-' : `${session.lastPongSeconds} s`,
    subscriptionsColumn(session),
  ]
}

function subscriptionsColumn({ subscriptions, subscriptionCount, started, closing }: SessionAnswer): string {
  const shown = subscriptions.slice(0, NAMES_SHOWN).join(',')
  const more = subscriptionCount - Math.min(NAMES_SHOWN, subscriptions.length)
  const state = closing ? ' (closing)' : started ? '' : ' (not started)'
  return `${shown}${more > 0 ? ` +${more}` : ''}${state}`
}
