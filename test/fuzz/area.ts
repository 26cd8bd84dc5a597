import type fc from 'fast-check'

/** One kind of input from outside, and what must hold of whatever takes it. */
export interface Area<Input> {
  readonly name: string
  /** What one input is counted in: `client frames`. */
  readonly unit: string
  /** So many units are a full run. */
  readonly total: number
  readonly inputs: fc.Arbitrary<Input>
  open(): Promise<Subject<Input>>
}

/** What takes the inputs of an area. */
export interface Subject<Input> {
  /** Gives one input to the program, and returns how many units it held. Throws at a violation. */
  take(input: Input): number | Promise<number>
  /** Called between rounds: throws where an input has left something behind, or others do not get on. */
  settle?(): void | Promise<void>
  close?(): void | Promise<void>
  /** What became of the inputs, for the last line. */
  readonly outcomes: Tally
}

/** Counts by name. */
export class Tally {
  private readonly counts = new Map<string, number>()

  add(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by)
  }

  of(name: string): number {
    return this.counts.get(name) ?? 0
  }

  /** The most frequent first. */
  toString(): string {
    const sorted = [...this.counts].sort(([, a], [, b]) => b - a)
    return sorted.map(([name, count]) => `${name} ${count}`).join(', ')
  }
}

/** Throws a violation unless `condition` holds; a function spells it out only then. */
export function hold(condition: boolean, what: string | (() => string)): asserts condition {
  if (!condition) throw new Error(typeof what === 'string' ? what : what())
}
