/** The command line of wazo-websocketd-ctl. */
import { InvalidArgumentError, type Command } from 'commander'
import { readCommandLine, type CommandLine } from '@wazo-websocketd/shared/runtime/command-line'
import { OPERATOR_CLOSES } from '../admin/closes.js'

export const CTL_PROGRAM = 'wazo-websocketd-ctl'

/** Options of every command. */
export interface CtlCommonOptions {
  /** null: the default file. */
  readonly configFile: string | null
  /** Over `admin.socket`; null: not given. */
  readonly socket: string | null
  readonly json: boolean
}

/** Where a token comes from. */
export type TokenArgument =
  | { readonly from: 'argument'; readonly token: string }
  /** `-`: standard input. */
  | { readonly from: 'file'; readonly file: string }

export interface SessionsOrder {
  readonly user?: string
  readonly tenant?: string
  readonly tokenHash?: string
  readonly slow: boolean
  readonly limit: number
  readonly offset: number
  /** null: they are listed. */
  readonly close: number | null
  /** Together with `close`: also without a filter. */
  readonly all: boolean
}

export interface ExplainOrder {
  readonly token: TokenArgument
  /** A file or the name of events; null: the last ones of any name. */
  readonly event: string | null
  readonly last: number
}

export type Order =
  | { readonly command: 'doctor' | 'status' | 'upgrade' }
  | { readonly command: 'sessions'; readonly options: SessionsOrder }
  | { readonly command: 'explain'; readonly options: ExplainOrder }

export type CtlOptions = Order & { readonly common: CtlCommonOptions }

const LIMIT_DEFAULT = 100
const LIMIT_MAX = 100_000
const LAST_DEFAULT = 10
const LAST_MAX = 1_000

/** @param argv the arguments after the program's name */
export function readCtlCommandLine(argv: readonly string[]): CommandLine<CtlOptions> {
  const taken: CtlOptions[] = []
  const take: Take = (order, { configFile = null, socket = null, json = false }) => {
    taken.push({ ...order, common: { configFile, socket, json } })
  }
  const describe = (command: Command): void => describeCtl(command, take)
  const read = (): CommandLine<CtlOptions> => {
    const [options] = taken
    if (options === undefined) throw new Error('no command has been carried out')
    return { options }
  }
  return readCommandLine({ program: CTL_PROGRAM, describe, read }, argv)
}

type Given = { configFile?: string; socket?: string; json?: boolean }
type Take = (order: Order, options: Given) => void

function describeCtl(program: Command, take: Take): void {
  program.description('Asks the edge and the ingest of this host, and what they depend on.')
  const add = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option('-c, --config-file <FILE>', 'the configuration file (default: /etc/wazo-websocketd/config.yml)')
      .option('--socket <PATH>', "the edge's unix socket, over admin.socket", path)
      .option('--json', 'answer in JSON')
      .allowExcessArguments(false)

  add(
    'doctor',
    'checks configuration, RabbitMQ, Redis, wazo-auth and programs; status 0 all well, 1 warnings, 2 errors',
  ).action((options: Given) => take({ command: 'doctor' }, options))
  add('status', 'shows edge, ingest, all hosts, the last losses and upgrades').action((options: Given) =>
    take({ command: 'status' }, options),
  )
  add(
    'upgrade',
    'replaces the workers as SIGHUP does, waits, and reports; status 0 when it went well',
  ).action((options: Given) => take({ command: 'upgrade' }, options))
  addSessions(add, take)
  addExplain(add, take)
}

function addSessions(add: (name: string, description: string) => Command, take: Take): void {
  add('sessions', 'lists the sessions of this host, or ends them')
    .option('--user <UUID>', 'only of this user')
    .option('--tenant <UUID>', 'only of this tenant')
    .option('--token-hash <HEX>', 'only of this token: the tag in logs, or more of its SHA-256')
    .option('--slow', 'only those that do not take everything at once, or are behind', false)
    .option('--limit <N>', 'rows', wholeNumber(1, LIMIT_MAX), LIMIT_DEFAULT)
    .option('--offset <N>', 'rows to leave out first', wholeNumber(0, LIMIT_MAX), 0)
    .option(
      '--close <CODE>',
      `end them with this close code: ${[...OPERATOR_CLOSES.keys()].join(', ')}`,
      closeCode,
    )
    .option('--all', 'with --close and no other option: really every session', false)
    .action((given: Given & Omit<SessionsOrder, 'close'> & { close?: number }, command: Command) => {
      const { user, tenant, tokenHash, slow, limit, offset, close = null, all } = given
      const filtered = user !== undefined || tenant !== undefined || tokenHash !== undefined || slow
      if (close !== null && !filtered && !all)
        command.error('--close needs --user, --tenant, --token-hash or --slow, or --all for every session')
      const bound = ['limit', 'offset'].find((name) => command.getOptionValueSource(name) === 'cli')
      if (close !== null && bound !== undefined)
        command.error(`--${bound} is for lists: --close ends all sessions that match`)
      const filter = {
        ...(user === undefined ? {} : { user }),
        ...(tenant === undefined ? {} : { tenant }),
        ...(tokenHash === undefined ? {} : { tokenHash: tokenHash.toLowerCase() }),
      }
      take({ command: 'sessions', options: { ...filter, slow, limit, offset, close, all } }, given)
    })
}

function addExplain(add: (name: string, description: string) => Command, take: Take): void {
  add('explain', 'says why the user of a token gets an event or does not, rule by rule')
    .option(
      '--token <TOKEN>',
      'the token; other users of this machine see it in the list of processes, and the shell keeps it',
    )
    .option('--token-file <FILE>', 'a file with the token, - for standard input: nobody else sees it')
    .option(
      '--event <FILE or NAME>',
      'a file with a message of the bus as JSON, or the name of events (default: the last events)',
    )
    .option('--last <N>', 'events of the log to look at', wholeNumber(1, LAST_MAX), LAST_DEFAULT)
    .action(
      (
        given: Given & { token?: string; tokenFile?: string; event?: string; last: number },
        command: Command,
      ) => {
        const { token, tokenFile, event = null, last } = given
        if ((token === undefined) === (tokenFile === undefined))
          command.error('needs one of --token-file and --token')
        const source: TokenArgument =
          token === undefined ? { from: 'file', file: tokenFile ?? '-' } : { from: 'argument', token }
        take({ command: 'explain', options: { token: source, event, last } }, given)
      },
    )
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (/^\d{1,9}$/.test(text) && number >= min && number <= max) return number
    throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}.`)
  }
}

function path(text: string): string {
  if (text !== '') return text
  throw new InvalidArgumentError('must be the path of a file.')
}

function closeCode(text: string): number {
  if (OPERATOR_CLOSES.has(Number(text))) return Number(text)
  throw new InvalidArgumentError(`must be one of ${[...OPERATOR_CLOSES.keys()].join(', ')}.`)
}
