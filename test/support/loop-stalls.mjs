/**
 * Loaded into a program (`NODE_OPTIONS=--import=...`), it writes each time that the loop stood still for longer than
 * LOOP_STALL_MS into LOOP_STALLS/<pid>: Unix time at the end, milliseconds, and those of them in which this process had a
 * processor, one line each. On a busy machine a process stands still for want of one; that is not its own doing.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'

const EVERY_MS = 2
const directory = process.env.LOOP_STALLS
const longerThan = Number(process.env.LOOP_STALL_MS ?? 5)

if (directory !== undefined) {
  let last = performance.now()
  let used = process.cpuUsage()
  setInterval(() => {
    const stood = performance.now() - last - EVERY_MS
    if (stood > longerThan) {
      const { user, system } = process.cpuUsage(used)
      const worked = Math.min(stood, (user + system) / 1000)
      appendFileSync(
        join(directory, String(process.pid)),
        `${Date.now()} ${stood.toFixed(1)} ${worked.toFixed(1)}\n`,
      )
    }
    last = performance.now()
    used = process.cpuUsage()
  }, EVERY_MS).unref()
}
