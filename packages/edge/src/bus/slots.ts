/** A task that waits for its turn, or has it. */
export interface Turn {
  /** Gives the turn back, or the place in the queue; idempotent. */
  end(): void
}

interface Waiting extends Turn {
  readonly begin: () => void
}

/** A small number of turns that many share, first come, first served. */
export class Slots {
  private free: number
  /** In order of arrival. */
  private readonly queue = new Set<Waiting>()

  constructor(size: number) {
    this.free = size
  }

  /** Calls `begin` when it is its turn: within this call when there is a free one. */
  ask(begin: () => void): Turn {
    let ended = false
    const turn: Waiting = {
      begin,
      end: () => {
        if (ended) return
        ended = true
        if (this.queue.delete(turn)) return
        this.free++
        this.next()
      },
    }
    this.queue.add(turn)
    this.next()
    return turn
  }

  private next(): void {
    const [first] = this.queue
    if (first === undefined || this.free === 0) return
    this.queue.delete(first)
    this.free--
    first.begin()
  }
}
