/** What became of numbered events on their way to a session. All zero: everything arrived, once and in order. */
export interface Verdict {
  readonly lost: number
  readonly doubled: number
  /** Arrived after a later one. */
  readonly disordered: number
}

/** Counts the events 0, 1, 2, ... as they arrive. Pure. */
export class Tally {
  private next = 0
  private doubled = 0
  private disordered = 0
  private readonly missing = new Set<number>()

  /** One more than the highest that has arrived. */
  get reached(): number {
    return this.next
  }

  arrived(n: number): void {
    if (n >= this.next) {
      for (; this.next < n; this.next++) this.missing.add(this.next)
      this.next++
    } else if (this.missing.delete(n)) this.disordered++
    else this.doubled++
  }

  /** Once `sent` events have been published and have had their time. */
  verdict(sent: number): Verdict {
    const lost = this.missing.size + Math.max(0, sent - this.next)
    return { lost, doubled: this.doubled, disordered: this.disordered }
  }
}
