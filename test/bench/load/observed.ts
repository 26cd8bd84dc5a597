/** Which clients of a process look at the latency of their events, which costs more than counting. Pure. */

const ONE_OF = 10
/** Not the first or the last that a server writes to. */
const PLACE = 5

export function isObserved(client: number): boolean {
  return client % ONE_OF === PLACE
}
