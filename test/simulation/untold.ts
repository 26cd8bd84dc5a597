import type { Published, Session, Streamed, Violation } from '../support/checker/history.js'

/** A session may be older than the loss, and may be closed after it, by so much. */
const MARGIN_MS = 1000
const TOLD_MS_MAX = 15_000

/**
 * What the stream has lost is told: no session that had started goes on across it. `from` and `to`: when the stream lost
 * what came in; the checker cannot know of it, since it takes the stream for the truth.
 */
export function untoldLosses(
  windows: readonly { readonly from: number; readonly to: number }[],
  published: readonly Published[],
  stream: readonly Streamed[],
  sessions: readonly Session[],
  endedAt: number,
): Violation[] {
  const arrived = new Set(stream.map(({ id }) => id))
  const lost = published.filter(({ id }) => !arrived.has(id))
  return windows.flatMap(({ from, to }) => {
    const event = lost.find(({ sentAt }) => sentAt >= from && sentAt <= to)
    if (event === undefined || to + TOLD_MS_MAX > endedAt) return []
    return sessions
      .filter(({ phases: [first], end }) => {
        const started = first !== undefined && first.answeredAt < from - MARGIN_MS
        return started && (end?.at ?? endedAt) > to + TOLD_MS_MAX
      })
      .map(({ name }) => ({
        invariant: 'I3',
        what: `${name} went on after the stream had lost event ${event.id}, and was not told`,
      }))
  })
}
