import { setTimeout as sleep } from 'node:timers/promises'

/** How events are sent: `batch` at once, `events` in all. */
export interface Pace {
  readonly events: number
  readonly batch: number
  readonly perSecond: number
}

/**
 * Calls `send` with each event's number in its time (open loop: whatever happens to the events before). What is late
 * follows at once. Resolves with how late each batch was, in milliseconds.
 */
export async function paced(
  { events, batch, perSecond }: Pace,
  send: (n: number) => void,
): Promise<number[]> {
  const intervalMs = (1_000 * batch) / perSecond
  const from = performance.now()
  const late: number[] = []
  for (let n = 0, i = 0; n < events; i++) {
    // A timer may ring a fraction of a millisecond early.
    for (let earlyMs; (earlyMs = from + i * intervalMs - performance.now()) > 0;)
      await sleep(Math.ceil(earlyMs))
    late.push(performance.now() - from - i * intervalMs)
    for (const end = Math.min(events, n + batch); n < end; n++) send(n)
  }
  return late
}
