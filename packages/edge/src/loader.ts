/** Reads the configuration with the code now on disk, says what it is to the primary that started this, and ends. */
import '@wazo-websocketd/shared/runtime/early-signals'
import { readServiceOptions } from '@wazo-websocketd/shared/config/service-options'
import { ConfigError } from '@wazo-websocketd/shared/config/error'
import { messageOf, StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import type { LoaderMessage } from './process/config-loader.js'
import { ignoreGroupSignals } from './process/primary-link.js'
import { PROGRAM } from './config/program.js'
import { readGeneration } from './config/load.js'

function loaderMessage(): LoaderMessage {
  try {
    return {
      kind: 'generation',
      generation: readGeneration(readServiceOptions(PROGRAM, process.argv.slice(2))),
    }
  } catch (error) {
    // Anything else is a fault of the code: its stack trace and status 1 say so.
    if (!(error instanceof ConfigError || error instanceof StartupError)) throw error
    return { kind: 'refused', line: messageOf(error) }
  }
}

ignoreGroupSignals()
process.on('disconnect', () => process.exit(1))
process.send?.(loaderMessage(), undefined, undefined, () => process.exit(0))
