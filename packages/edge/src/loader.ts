/** Reads the configuration with the code now on disk, says what it is to the primary that started this, and ends. */
import { parseCommandLine } from '@wazo-websocketd/shared/runtime/cli'
import { ConfigError } from '@wazo-websocketd/shared/runtime/config/error'
import { messageOf, StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import type { LoaderMessage } from './cluster/loader-process.js'
import { ignoreGroupSignals } from './cluster/worker-link.js'
import { PROGRAM } from './program.js'
import { readGeneration } from './settings.js'

function answer(): LoaderMessage {
  try {
    return {
      kind: 'generation',
      generation: readGeneration(parseCommandLine(PROGRAM, process.argv.slice(2))),
    }
  } catch (error) {
    // Anything else is a fault of the code: its stack trace and status 1 say so.
    if (!(error instanceof ConfigError || error instanceof StartupError)) throw error
    return { kind: 'refused', line: messageOf(error) }
  }
}

ignoreGroupSignals()
process.on('disconnect', () => process.exit(1))
process.send?.(answer(), undefined, undefined, () => process.exit(0))
