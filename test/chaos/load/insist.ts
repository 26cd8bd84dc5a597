import { setTimeout as sleep } from 'node:timers/promises'

const TRIES_MAX = 20
const BETWEEN_MS = 100

/** Asks the stand-in of wazo-auth again when the connection that is kept for it has just been closed. */
export async function insist<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      if (tries === TRIES_MAX) throw error
      await sleep(BETWEEN_MS)
    }
  }
}
