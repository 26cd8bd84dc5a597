import { Option, type Command } from 'commander'
import {
  readCommandLine,
  WrongArgument,
  type CommandLine,
} from '@wazo-websocketd/shared/runtime/command-line'
import { EVENT_NAMES } from './templates.js'

export const PUBLISH_PROGRAM = 'wazo-websocketd-publish'
const RATE_MAX = 100_000

export interface PublishOptions {
  /** Events per second. */
  readonly rate: number
  /** Infinity: no bound. */
  readonly lengthMs: number
  /** null: each event once, or as many as go out in that time. */
  readonly count: number | null
  /** Names of recorded events. */
  readonly names: readonly string[]
  /** `-`: standard input; null: recorded events. */
  readonly file: string | null
  readonly tenant: string | null
  readonly user: string | null
  readonly origin: string | null
  readonly acl: string | null | undefined
  /** null: by the configuration file. */
  readonly amqpUrl: URL | null
  /** null: the default one. */
  readonly configFile: string | null
}

const HELP = `
An event of a file is the JSON of its body, whose keys but "data" are sent as headers too; or an object with "headers" and
"body". A file holds one event, a list, or an event a line; they go out in turn, each with the present time as "timestamp".

Exit status: 0  the broker has confirmed every event
             1  it has not, or cannot be reached
             2  wrong arguments
            78  the configuration file cannot be used`

interface PublishValues {
  readonly list?: true
  readonly file?: string
  readonly tenant?: string
  readonly user?: string
  readonly origin?: string
  readonly acl?: string
  readonly rate?: string
  readonly count?: string
  readonly for?: string
  readonly amqpUrl?: string
  readonly configFile?: string
}

/** @param argv the arguments after the program's name */
export function readPublishCommandLine(argv: readonly string[]): CommandLine<PublishOptions> {
  return readCommandLine(
    { program: PUBLISH_PROGRAM, describe: describePublish, read: readPublishOptions },
    argv,
  )
}

function readPublishOptions(command: Command): CommandLine<PublishOptions> {
  const values: PublishValues = command.opts()
  if (values.list === true) return { text: `${EVENT_NAMES.join('\n')}\n` }
  return { options: publishOptions(values, command.args) }
}

function describePublish(command: Command): void {
  command
    .description('Publishes events on the bus of a Wazo, to try what arrives, or as a load.')
    .argument('[EVENT...]', 'names of recorded events, sent in turn')
    .option('--list', 'print the names of the recorded events')
    .option('--file <FILE>', 'events in JSON instead; - is standard input')
    .option('--tenant <UUID>', 'the tenant of the events')
    .option('--user <UUID>', 'the user of the events')
    .option('--acl <ACL>', 'their required_acl; null: no right is required')
    .option('--origin <UUID>', 'the uuid of this Wazo (default: uuid of the configuration)')
    .option('--rate <N>', 'events per second (default: 1)')
    .option('--for <SECONDS>', 'for how long')
    .option('--count <N>', 'how many (default: each event once, or as many as go out --for so long)')
    .addOption(
      new Option('--amqp-url <URL>', 'the broker: amqp://USER:PASSWORD@HOST:PORT/VHOST').conflicts(
        'configFile',
      ),
    )
    .option('-c, --config-file <FILE>', 'the configuration file, whose section bus names the broker')
    .addHelpText('after', HELP)
}

function publishOptions(values: PublishValues, names: readonly string[]): PublishOptions {
  const { file = null, tenant = null, user = null, origin = null, acl, configFile = null } = values
  const unknown = names.find((name) => !EVENT_NAMES.includes(name))
  if (unknown !== undefined) throw new WrongArgument(`no recorded event is named ${unknown}: see --list`)
  if (names.length > 0 === (file !== null))
    throw new WrongArgument('name events, or give some with --file: one of the two')
  const lengthMs = values.for === undefined ? Infinity : positiveNumber(values.for, '--for', 86_400) * 1000
  const count =
    values.count === undefined ? null : positiveNumber(values.count, '--count', Number.MAX_SAFE_INTEGER)
  if (count !== null && !Number.isInteger(count)) throw new WrongArgument('--count needs a whole number')
  return {
    names,
    file,
    tenant,
    user,
    origin,
    acl: acl === 'null' ? null : acl,
    rate: positiveNumber(values.rate ?? '1', '--rate', RATE_MAX),
    lengthMs,
    count,
    amqpUrl: values.amqpUrl === undefined ? null : amqpAddress(values.amqpUrl),
    configFile,
  }
}

function positiveNumber(text: string, option: string, max: number): number {
  const number = Number(text)
  if (text.trim() !== '' && number > 0 && number <= max) return number
  throw new WrongArgument(`${option} needs a number above 0, up to ${max}`)
}

/** The address may hold a password: it is not repeated. */
function amqpAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url !== null && ['amqp:', 'amqps:'].includes(url.protocol) && url.hostname !== '') {
    if ([url.username, url.password, url.pathname].every(isEscaped)) return url
    throw new WrongArgument('--amqp-url: a % in it has to be written as %25')
  }
  throw new WrongArgument('--amqp-url needs an address that begins with amqp:// or amqps://')
}

function isEscaped(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
