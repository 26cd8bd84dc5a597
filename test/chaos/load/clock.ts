/** Milliseconds of the machine's monotonic clock: comparable between all its processes. */
export function now(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}
