/** The program wazo-websocketd-ctl: questions of an operator about this host and what it depends on. */
import { ConfigError } from '@wazo-websocketd/shared/config/error'
import { readConfig, type ConfigReading } from '@wazo-websocketd/shared/config/load'
import { processEnvironment } from '@wazo-websocketd/shared/config/process-environment'
import { optionsOrExit } from '@wazo-websocketd/shared/runtime/command-line'
import { messageOf, StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
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
    await write(json ? `${JSON.stringify(value, null, 2)}\n` : `${lines.join('\n')}\n`)
    return status
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

/** Resolves when all of it has left: what is written to a pipe would be lost at the exit. */
function write(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()))
}

// `head` closes the pipe: nobody wants the rest.
process.stdout.on('error', () => process.exit(0))
process.exit(await main())
