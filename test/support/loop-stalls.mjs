/**
 * Loaded into a program (`NODE_OPTIONS=--import=...`), it writes each time that the loop stood still for longer than
 * LOOP_STALL_MS into LOOP_STALLS/<pid>: Unix time at the end and milliseconds, one line each.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'

const EVERY_MS = 2
const directory = process.env.LOOP_STALLS
const longerThan = Number(process.env.LOOP_STALL_MS ?? 5)

if (directory !== undefined) {
  let last = performance.now()
  setInterval(() => {
    const now = performance.now()
    const stood = now - last - EVERY_MS
    if (stood > longerThan)
      appendFileSync(join(directory, String(process.pid)), `${Date.now()} ${stood.toFixed(1)}\n`)
    last = performance.now()
  }, EVERY_MS).unref()
}
