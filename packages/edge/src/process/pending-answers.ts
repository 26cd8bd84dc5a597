import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { AnswerPiece } from './messages.js'

/** JSON text; null: there is no answer. */
export type WorkerAnswer = string | null

interface Pending {
  readonly rows: (rows: readonly string[]) => void
  readonly settle: (end: WorkerAnswer) => void
  readonly msMax: number
  timer: Timer
}

/** Keeps questions to one worker until their answers have come. */
export class PendingAnswers {
  private readonly clock: Clock
  private readonly pending = new Map<number, Pending>()
  private lastId = 0

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Expects an answer to the question with the returned `id`. It may be silent for `msMax` at most, also between two pieces. */
  begin(
    rows: (rows: readonly string[]) => void,
    msMax: number,
  ): { readonly id: number; readonly answer: Promise<WorkerAnswer> } {
    const id = ++this.lastId
    const answer = new Promise<WorkerAnswer>((settle) => {
      this.pending.set(id, { rows, settle, msMax, timer: this.limit(id, msMax) })
    })
    return { id, answer }
  }

  /** Takes in a piece; ignored when nothing waits for it. */
  take(id: number, { rows, end }: AnswerPiece): void {
    const pending = this.pending.get(id)
    if (pending === undefined) return
    pending.timer.cancel()
    if (rows.length > 0) pending.rows(rows)
    if (end === null) pending.timer = this.limit(id, pending.msMax)
    else this.settle(id, end)
  }

  /** The worker has ended. */
  abandon(): void {
    for (const id of [...this.pending.keys()]) this.settle(id, null)
  }

  private limit(id: number, msMax: number): Timer {
    return this.clock.after(msMax, () => this.settle(id, null))
  }

  private settle(id: number, end: WorkerAnswer): void {
    const pending = this.pending.get(id)
    this.pending.delete(id)
    pending?.timer.cancel()
    pending?.settle(end)
  }
}
