import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { LineLog } from '@wazo-websocketd/shared/runtime/line-log'

/** Partitions that are lost for one reason within so long have one line. */
const TOGETHER_MS = 200

/** Says that continuity is lost: one line for all partitions that one incident concerns. */
export class LossLog {
  private readonly clock: Clock
  private readonly log: Pick<LineLog, 'warn'>
  private readonly losses = new Map<string, { readonly partitions: number[]; sessions: number }>()

  constructor(clock: Clock, log: Pick<LineLog, 'warn'>) {
    this.clock = clock
    this.log = log
  }

  /** Continuity of `partition` is lost, and so many sessions are closed because of it. */
  add(partition: number, why: string, sessions: number): void {
    const loss = this.losses.get(why)
    if (loss === undefined) {
      this.losses.set(why, { partitions: [partition], sessions })
      this.clock.after(TOGETHER_MS, () => this.tell(why))
      return
    }
    if (!loss.partitions.includes(partition)) loss.partitions.push(partition)
    loss.sessions += sessions
  }

  /** Writes what still waits. */
  close(): void {
    for (const why of [...this.losses.keys()]) this.tell(why)
  }

  private tell(why: string): void {
    const loss = this.losses.get(why)
    if (loss === undefined) return
    this.log.warn({ why, ...loss }, 'continuity of events lost')
    this.losses.delete(why)
  }
}
