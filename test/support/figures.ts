/** What a test measured, in few numbers. */
export interface Distribution {
  readonly n: number
  readonly min: number
  readonly median: number
  readonly p99: number
  readonly max: number
}

export function distribution(values: readonly number[]): Distribution {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN)
  return { n: sorted.length, min: at(0), median: at(0.5), p99: at(0.99), max: at(1) }
}

/** Prints and returns the distribution. */
export function report(what: string, values: readonly number[]): Distribution {
  const figures = distribution(values)
  console.log(`      ${what}: ${JSON.stringify(figures)}`)
  return figures
}

/** Milliseconds since a time as wazo-auth writes it, by this machine's clock. */
export function since(utc: string): number {
  return Date.now() - Date.parse(`${utc}Z`)
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
