import { setTimeout as sleep } from 'node:timers/promises'

export { sleep }

/**
 * Asks until the answer is there: anything but false, null and undefined.
 * @template T
 * @param {() => T | Promise<T>} ask
 * @param {{ timeoutMs?: number, everyMs?: number, what?: string }} [options]
 * @returns {Promise<NonNullable<T>>}
 * @throws {Error} naming `what` when the time is up
 */
export async function waitFor(ask, { timeoutMs = 8000, everyMs = 10, what = 'the condition' } = {}) {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== false && answer !== null && answer !== undefined) return answer
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`)
    await sleep(everyMs)
  }
}
