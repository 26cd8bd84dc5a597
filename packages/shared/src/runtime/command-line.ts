/** Reads command lines, the same way for every program. */
import { Command, CommanderError } from 'commander'
import { STATUS_USAGE } from './startup-error.js'
import { describeSystemError, errorCode } from './system-error.js'
import { programVersion } from './version.js'

const STATUS_UNWRITTEN = 1

/** Says in one line, without a secret, what is wrong with an argument. */
export class WrongArgument extends Error {}

/** What the arguments come to: options, a text to print, or what is wrong with them in one line. */
export type CommandLine<Options> =
  { readonly options: Options } | { readonly text: string } | { readonly wrong: string }

/** How a program takes its arguments. */
export interface CommandLineReader<Options> {
  /** What help, errors and the log call it. */
  readonly program: string
  /** Declares options and commands. */
  readonly describe: (command: Command) => void
  /** What the parsed arguments come to. May throw WrongArgument. */
  readonly read: (command: Command) => CommandLine<Options>
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

/** Writes lines to standard error, each with the program's name before it. */
export function lineWriter(program: string): (line: string) => void {
  return (line) => void process.stderr.write(`${program}: ${line}\n`)
}

/** Reads `argv`, the arguments after the program's name. `--help` and `--version` come to a text. */
export function readCommandLine<Options>(
  { program, describe, read }: CommandLineReader<Options>,
  argv: readonly string[],
): CommandLine<Options> {
  let text = ''
  const command = new Command(program).exitOverride().configureOutput({
    writeOut: (part) => (text += part),
    writeErr: () => undefined,
  })
  describe(command)
  command.version(programVersion(), '--version')
  try {
    command.parse([...argv], { from: 'user' })
    return read(command)
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return { text }
    if (error instanceof CommanderError && error.code === 'commander.help') return { wrong: 'which command?' }
    if (!(error instanceof CommanderError) && !(error instanceof WrongArgument)) throw error
    return { wrong: error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ') }
  }
}

/** The options, or the end of the process: status 0 after a text, 2 after one line that says what is wrong. */
export function optionsOrExit<Options>(
  program: string,
  line: CommandLine<Options>,
  terminal: Terminal = processTerminal,
): Options {
  if ('options' in line) return line.options
  if ('text' in line) {
    terminal.out(line.text)
    return terminal.exit(0)
  }
  terminal.err(`${program}: ${line.wrong} (see ${program} --help)\n`)
  return terminal.exit(STATUS_USAGE)
}
