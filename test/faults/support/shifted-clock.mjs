/**
 * `NODE_OPTIONS="--import file:///.../shifted-clock.mjs"`: a process, and all that it starts, whose wall clock is
 * ahead of this machine's by as many milliseconds as the file says that SHIFTED_CLOCK names; what runs on the
 * monotonic clock is left alone. Written anew, the file moves the clock of a running process.
 */
import { readFileSync } from 'node:fs'

const POLL_MS = 20
const file = process.env.SHIFTED_CLOCK ?? ''
const RealDate = Date
const { now } = RealDate
let aheadMs = read()

RealDate.now = () => now() + aheadMs
const ShiftedDate = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [RealDate.now()] : args, newTarget),
  apply: () => new RealDate(RealDate.now()).toString(),
})
RealDate.prototype.constructor = ShiftedDate
globalThis.Date = ShiftedDate
setInterval(() => (aheadMs = read()), POLL_MS).unref()

function read() {
  return Number(readFileSync(file, 'utf8'))
}
