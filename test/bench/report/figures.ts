import { median } from './statistics.js'

/** A point of a curve. */
export interface Point {
  readonly curve: string
  readonly contestant: string
  readonly x: number
  readonly values: Readonly<Record<string, number>>
}

export interface FiguresJson {
  /** By scenario, contestant and measure: a value for each round. */
  readonly values: Readonly<Record<string, readonly number[]>>
  readonly points: readonly Point[]
  /** What makes values worthless, by scenario and contestant. */
  readonly invalid: readonly {
    readonly scenario: string
    readonly contestant: string
    readonly why: string
  }[]
}

/** All that was measured. */
export class Figures {
  private readonly values = new Map<string, number[]>()
  private readonly points: Point[] = []
  private readonly faults: { scenario: string; contestant: string; why: string }[] = []

  add(scenario: string, contestant: string, measures: Readonly<Record<string, number>>): void {
    for (const [measure, value] of Object.entries(measures)) {
      const key = keyOf(scenario, contestant, measure)
      const values = this.values.get(key)
      if (values === undefined) this.values.set(key, [value])
      else values.push(value)
    }
  }

  point(point: Point): void {
    this.points.push(point)
  }

  fault(scenario: string, contestant: string, why: string): void {
    this.faults.push({ scenario, contestant, why })
  }

  /** NaN when it was not measured. */
  median(scenario: string, contestant: string, measure: string): number {
    return median(this.values.get(keyOf(scenario, contestant, measure)) ?? [])
  }

  all(scenario: string, contestant: string, measure: string): readonly number[] {
    return this.values.get(keyOf(scenario, contestant, measure)) ?? []
  }

  /** Contestants of a scenario, in the order in which they came. */
  contestants(scenario: string): string[] {
    return this.parts(scenario, 1)
  }

  /** Measures of a scenario, in the order in which they came. */
  measures(scenario: string): string[] {
    return this.parts(scenario, 2)
  }

  scenarios(): string[] {
    return [...new Set([...this.values.keys()].map((key) => partsOf(key)[0]!))]
  }

  curve(name: string): Point[] {
    return this.points.filter(({ curve }) => curve === name)
  }

  /** Why what was measured in the scenario says nothing; empty when it is valid. */
  invalid(scenario: string): string[] {
    return this.faults
      .filter((fault) => fault.scenario === scenario)
      .map(({ contestant, why }) => `${contestant}: ${why}`)
  }

  toJSON(): FiguresJson {
    return { values: Object.fromEntries(this.values), points: this.points, invalid: this.faults }
  }

  private parts(scenario: string, part: number): string[] {
    const keys = [...this.values.keys()].map(partsOf).filter(([name]) => name === scenario)
    return [...new Set(keys.map((parts) => parts[part]!))]
  }
}

const SEPARATOR = ' | '

function keyOf(...parts: readonly string[]): string {
  return parts.join(SEPARATOR)
}

function partsOf(key: string): string[] {
  return key.split(SEPARATOR)
}
