import type { Closed } from '../../support/client.js'

/** What one session got of numbered events, from its start to its end. */
export interface Life {
  /** The number that was the next to be sent when the start was answered. */
  readonly from: number
  readonly got: readonly number[]
  /** Null: it has not ended. */
  readonly end: Closed | null
  /** `performance.now()` */
  readonly endedAt: number
}

/** What became of the events on their way to one client, session after session. */
export interface Judgement {
  /** Missing in a session that went on, or ended in another way than with 1011, or much later. */
  readonly silent: readonly number[]
  readonly doubled: number
  readonly disordered: number
  /** How the sessions ended that ended. */
  readonly codes: readonly number[]
}

const LOST = 1011
/** What comes after a loss may arrive before the session is told of it, which follows so soon. */
const TOLD_MS_MAX = 5_000

/** Of events that were sent at these times, by number. Pure. */
export function judge(lives: readonly Life[], sentAt: readonly number[]): Judgement {
  const silent: number[] = []
  let [doubled, disordered] = [0, 0]
  for (const { from, got, end, endedAt } of lives) {
    const seen = new Set(got)
    doubled += got.length - seen.size
    disordered += got.filter((n, i) => i > 0 && n < got[i - 1]!).length
    const told = end?.code === LOST
    const owed = told ? got.reduce((a, b) => Math.max(a, b), from - 1) : sentAt.length - 1
    for (let n = from; n <= owed; n++)
      if (!seen.has(n) && !(told && endedAt - sentAt[n]! <= TOLD_MS_MAX)) silent.push(n)
  }
  return { silent, doubled, disordered, codes: lives.flatMap(({ end }) => end?.code ?? []) }
}
