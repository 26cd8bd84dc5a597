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
  /** Missing in a session that went on, or ended in another way than with 1011. */
  readonly silent: readonly number[]
  readonly doubled: number
  readonly disordered: number
  /** How the sessions ended that ended. */
  readonly codes: readonly number[]
}

const LOST = 1011

/** Of the events before `next`. Pure. */
export function judge(lives: readonly Life[], next: number): Judgement {
  const silent: number[] = []
  let [doubled, disordered] = [0, 0]
  for (const { from, got, end } of lives) {
    const seen = new Set(got)
    doubled += got.length - seen.size
    disordered += got.filter((n, i) => i > 0 && n < got[i - 1]!).length
    const highest = got.reduce((a, b) => Math.max(a, b), from - 1)
    const owed = end === null ? next - 1 : end.code === LOST ? highest : Infinity
    for (let n = from; n <= Math.min(owed, next - 1); n++) if (!seen.has(n)) silent.push(n)
  }
  return { silent, doubled, disordered, codes: lives.flatMap(({ end }) => end?.code ?? []) }
}
