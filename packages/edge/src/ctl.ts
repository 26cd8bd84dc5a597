/** The program wazo-websocketd-ctl: questions of an operator about this host and what it depends on. */
import { ConfigError } from '@wazo-websocketd/shared/config/error'
import { readConfig, type ConfigReading } from '@wazo-websocketd/shared/config/load'
import { processEnvironment } from '@wazo-websocketd/shared/config/process-environment'
import { optionsOrExit } from '@wazo-websocketd/shared/runtime/command-line'
import { messageOf, StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import { describeSystemError, errorCode } from '@wazo-websocketd/shared/runtime/system-error'
import { PROGRAM } from './config/program.js'
import { AdminError } from './ctl/admin-client.js'
import { CTL_PROGRAM, readCtlCommandLine, type CtlOptions } from './ctl/command-line.js'
import { toolContext, type ToolContext } from './ctl/context.js'
import { runDoctor } from './ctl/doctor/doctor.js'
import { runExplain } from './ctl/explain/run.js'
import { CommandError, type Result } from './ctl/result.js'
import { runSessions } from './ctl/sessions.js'
import { runStatus } from './ctl/status.js'
import { runUpgrade } from './ctl/upgrade.js'

/** A configuration that cannot even be read is an error of doctor's, too. */
const STATUS_UNREADABLE = 2
const STATUS_UNWRITTEN = 1
const ALIVE_MS = 60_000

function run(options: CtlOptions, context: ToolContext): Promise<Result> {
  switch (options.command) {
    case 'doctor':
      return runDoctor(context)
    case 'status':
      return runStatus(context)
    case 'upgrade':
      return runUpgrade(context.edge)
    case 'sessions':
      return runSessions(context.edge, options.options)
    case 'explain':
      return runExplain(context, options.options)
  }
}

/** Without its key file, which the ingest does not need, a configuration leads to everything but wazo-auth. */
function readAsFarAsPossible(sources: ToolContext['sources']): ConfigReading {
  try {
    return readConfig({ ...sources, program: PROGRAM })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return readConfig({ ...sources, program: 'wazo-websocketd-ingest' })
  }
}

async function main(): Promise<number> {
  const options = optionsOrExit(CTL_PROGRAM, readCtlCommandLine(process.argv.slice(2)))
  const { configFile, json, socket } = options.common
  const sources = { configFile, debug: false, user: null, environment: processEnvironment() }
  let context: ToolContext | null = null
  try {
    context = toolContext(sources, readAsFarAsPossible(sources), socket)
    const { status, lines, json: value } = await run(options, context)
    const fault = await write(json ? `${JSON.stringify(value, null, 2)}\n` : `${lines.join('\n')}\n`)
    if (fault === null) return status
    process.stderr.write(`${CTL_PROGRAM}: cannot write the answer: ${fault}\n`)
    return Math.max(status, STATUS_UNWRITTEN)
  } catch (error) {
    if (!isExplained(error)) throw error
    process.stderr.write(`${CTL_PROGRAM}: ${messageOf(error)}\n`)
    return error instanceof ConfigError ? STATUS_UNREADABLE : 1
  } finally {
    await context?.close()
  }
}

/** Whether the error is one of the world's, which its one line tells. */
function isExplained(error: unknown): boolean {
  return [AdminError, CommandError, ConfigError, StartupError].some((kind) => error instanceof kind)
}

/** Resolves when all of it has left: what is written to a pipe would be lost at the exit. Gives why it could not; null: it could. */
function write(text: string): Promise<string | null> {
  return new Promise((resolve) =>
    process.stdout.write(text, (error) => {
      // `head` closes the pipe: nobody wants the rest, and the status is what it is.
      const failed = error !== undefined && error !== null && errorCode(error) !== 'EPIPE'
      resolve(failed ? describeSystemError(error) : null)
    }),
  )
}

// `write` is told as well.
process.stdout.on('error', () => undefined)
// The timers of the clock keep no process alive, and between two tries at wazo-auth there may be nothing else.
setInterval(() => undefined, ALIVE_MS)
process.exit(await main())
