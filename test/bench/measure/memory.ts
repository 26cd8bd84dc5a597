import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { residentBytesOf } from './cpu.js'

/** Has to be in each process whose memory is measured. */
export const COLLECTABLE = fileURLToPath(new URL('./gc-on-signal.mjs', import.meta.url))

/**
 * Node.js's flag for a small young generation. Its size follows the load of the last moments, by up to 48 MiB in each
 * process, which is more than what is to be measured.
 */
export const SMALL_NURSERY = '--max-semi-space-size=1'

/** Weak references and finalizers take more than one. */
const COLLECTIONS = 4
const COLLECTION_MS = 700

/** Resident memory of the processes, in bytes, when garbage is gone. */
export async function settledBytesOf(pids: readonly number[]): Promise<number> {
  for (let i = 0; i < COLLECTIONS; i++) {
    for (const pid of pids) process.kill(pid, 'SIGUSR2')
    await sleep(COLLECTION_MS)
  }
  return residentBytesOf(pids)
}
