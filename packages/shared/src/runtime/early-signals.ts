/**
 * Takes SIGUSR1 and SIGUSR2 over from Node, which would open its inspector (any user of this machine could then run
 * code in this process) or end. Programs import this module before all others, because loading those takes a
 * quarter of a second.
 */
import inspector from 'node:inspector'

const TAKEN_OVER = ['SIGUSR1', 'SIGUSR2'] as const
/** An address that no machine has (RFC 1112), where no inspector can be opened. */
const NO_INSPECTOR = '--inspect-port=240.0.0.1:9229'
const CHECK_EVERY_MS = 10
const CHECKS = 500

/** `node --inspect ...` opens it on purpose. */
const wanted = process.execArgv.some((argument) => /^--inspect(?!-port)/.test(argument))

/**
 * Closes what a signal has opened that came while Node started and ran no code of ours. Looks again for 5 s: Node opens it
 * in a thread of its own, on a loaded machine long after the signal.
 */
function closeInspector(checks: number): void {
  if (inspector.url() !== undefined) inspector.close()
  if (checks > 0) setTimeout(closeInspector, CHECK_EVERY_MS, checks - 1).unref()
}

for (const signal of TAKEN_OVER) process.on(signal, () => undefined)
if (!wanted && !process.execArgv.includes(NO_INSPECTOR)) closeInspector(CHECKS)

/** Does the same in a process that is about to start, by code that needs no file: a release may be gone from disk. */
const TAKE_OVER = `for (const signal of ${JSON.stringify(TAKEN_OVER)}) process.on(signal, () => {})`

/** Arguments for Node that keep a child from opening an inspector or ending, from its first moment on. */
export const childArguments: readonly string[] = wanted
  ? []
  : [`--import=data:text/javascript,${encodeURIComponent(TAKE_OVER)}`, NO_INSPECTOR]
