const began = performance.now()

/** One line of what has been seen, with the seconds since the beginning. */
export function show(line: string): void {
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s  ${line}`)
}

/** @throws Error naming what was expected. */
export function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(`NOT SEEN: ${what}`)
}
