import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { residentBytesOf } from './cpu.js'

/** Has to be in each process whose memory is measured. */
export const COLLECTABLE = fileURLToPath(new URL('./gc-on-signal.mjs', import.meta.url))

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
