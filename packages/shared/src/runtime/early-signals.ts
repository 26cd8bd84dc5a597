/**
 * Takes SIGUSR1 and SIGUSR2 over from Node, which would open its inspector (any user of this machine could then run
 * code in this process) or end. Programs import this module before all others, because loading those takes a
 * quarter of a second.
 */
import inspector from 'node:inspector'

const TAKEN_OVER = ['SIGUSR1', 'SIGUSR2'] as const
/** `node --inspect ...` opens it on purpose. */
const wanted = process.execArgv.some((argument) => /^--inspect(?!-port)/.test(argument))

/** For the two hundredths of a second in which Node starts and runs no code of ours. */
function closeInspector(): void {
  if (!wanted && inspector.url() !== undefined) inspector.close()
}

for (const signal of TAKEN_OVER) process.on(signal, () => undefined)
closeInspector()
setImmediate(closeInspector) // Node opens it in a thread of its own

/** Does the same in a process that is about to start, by code that needs no file: a release may be gone from disk. */
const TAKE_OVER = `for (const signal of ${JSON.stringify(TAKEN_OVER)}) process.on(signal, () => {})`
/** An address that no machine has (RFC 1112), where no inspector can be opened. */
const NO_INSPECTOR = '240.0.0.1:9229'

/** Arguments for Node that keep a child from opening an inspector or ending, from its first moment on. */
export const childArguments: readonly string[] = wanted
  ? []
  : [`--import=data:text/javascript,${encodeURIComponent(TAKE_OVER)}`, `--inspect-port=${NO_INSPECTOR}`]
