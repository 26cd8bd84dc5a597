/** The command line, the same for both programs. */
import { Command, CommanderError } from 'commander'
import type { Program } from './checks.js'
import { ConfigError } from './error.js'
import { processEnvironment } from './process-environment.js'
import { loadConfig, readConfig, type ConfigReading, type ConfigSources, type LoadedConfig } from './load.js'
import { defaultConfigFile } from './default-file.js'
import { configReport } from './report.js'
import { startChecks } from './start-checks.js'
import { STATUS_CONFIG } from '../runtime/startup-error.js'
import { describeSystemError, errorCode } from '../runtime/system-error.js'
import { programVersion } from '../runtime/version.js'

/** Status of a wrong command line. */
export const STATUS_USAGE = 2
const STATUS_UNWRITTEN = 1

export interface CommandLine {
  /** `-c`; null: the default file. */
  readonly configFile: string | null
  /** `-d`. */
  readonly debug: boolean
  /** `-u`; null: the key `user`. */
  readonly user: string | null
  readonly checkConfig: boolean
}

/** Where output goes and how the process ends; replaced in tests. */
export interface Terminal {
  out(text: string): void
  err(text: string): void
  exit(status: number): never
}

export const processTerminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  exit(status) {
    const { errored } = process.stdout
    // `head` closes the pipe: nobody wants the rest.
    if (errored === null || errorCode(errored) === 'EPIPE') return process.exit(status)
    process.stderr.write(`cannot write to standard output: ${describeSystemError(errored)}\n`)
    return process.exit(Math.max(status, STATUS_UNWRITTEN))
  },
}

const DESCRIPTIONS: Readonly<Record<Program, string>> = {
  'wazo-websocketd-edge': 'Serves the events of a Wazo to WebSocket clients.',
  'wazo-websocketd-ingest': 'Reads the events of a Wazo from RabbitMQ and publishes them in Redis.',
}

/**
 * Reads the arguments after the program's name (`process.argv.slice(2)`). `--help`, `--version` and `--print-default-config`
 * end the process with status 0, a wrong argument with one line and status 2.
 */
export function parseCommandLine(
  program: Program,
  argv: readonly string[],
  terminal: Terminal = processTerminal,
): CommandLine {
  const command = new Command(program)
    .description(DESCRIPTIONS[program])
    .option('-c, --config-file <FILE>', 'the configuration file (default: /etc/wazo-websocketd/config.yml)')
    .option('-d, --debug', 'log debug messages', false)
    .option('-u, --user <NAME>', 'whom to become when started as root, over the key user')
    .option(
      '--check-config',
      'print the effective configuration, where each key comes from and what would keep the program from starting, then end',
      false,
    )
    .option(
      '--print-default-config',
      'print a configuration file with every key at its default, then end',
      false,
    )
    .version(programVersion(), '--version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: () => undefined, // told below, in one line
    })
  try {
    command.parse([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return terminal.exit(0)
    const what = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')
    terminal.err(`${program}: ${what} (see ${program} --help)\n`)
    return terminal.exit(STATUS_USAGE)
  }
  const options = command.opts<{
    configFile?: string
    debug: boolean
    user?: string
    checkConfig: boolean
    printDefaultConfig: boolean
  }>()
  if (options.printDefaultConfig) {
    terminal.out(defaultConfigFile())
    return terminal.exit(0)
  }
  const { configFile = null, debug, user = null, checkConfig } = options
  return { configFile, debug, user, checkConfig }
}

/**
 * The configuration, or the end of the process: status 78 with one line when it cannot be used. With
 * `--check-config` prints the report instead and ends with status 0 or 78.
 */
export function loadOrExit(
  program: Program,
  commandLine: CommandLine,
  terminal: Terminal = processTerminal,
  environment = processEnvironment(),
): LoadedConfig {
  const { configFile, debug, user, checkConfig } = commandLine
  const sources = { program, configFile, debug, user, environment }
  try {
    if (checkConfig) return checkAndExit(sources, terminal)
    return loadConfig(sources)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    terminal.err(`${program}: ${error.message}\n`)
    return terminal.exit(STATUS_CONFIG)
  }
}

function checkAndExit(sources: ConfigSources, terminal: Terminal): never {
  const read = readConfig(sources)
  const reading = read.problems.length > 0 ? read : withFindings(read, sources)
  terminal.out(configReport(reading))
  for (const problem of reading.problems) terminal.err(`${sources.program}: ${problem}\n`)
  return terminal.exit(reading.problems.length > 0 ? STATUS_CONFIG : 0)
}

function withFindings(reading: ConfigReading, sources: ConfigSources): ConfigReading {
  const { program } = sources
  const { problems, warnings } = startChecks({ program, reading, readAgain: () => loadConfig(sources) })
  return { ...reading, problems, warnings: [...reading.warnings, ...warnings] }
}
