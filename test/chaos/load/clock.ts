/** Milliseconds of the machine's monotonic clock: comparable between all its processes. */
export function now(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

/** When a token expires, by that clock. */
export function expiryOf({ utc_expires_at: utc }: { readonly utc_expires_at: string }): number {
  return now() + Date.parse(`${utc}Z`) - Date.now()
}
