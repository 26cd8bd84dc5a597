import { Option, type Command } from 'commander'
import {
  readCommandLine,
  WrongArgument,
  type CommandLine,
} from '@wazo-websocketd/shared/runtime/command-line'
import { statusTable } from './close-status.js'
import { parseFilter, type Filter } from './filter.js'
import { isToken } from './login.js'
import type { Style } from './printer.js'

export const TAIL_PROGRAM = 'wazo-websocketd-tail'
export const TOKEN_VARIABLE = 'WAZO_TOKEN'
const DEFAULT_URL = 'ws://127.0.0.1:9502/'
const BEHIND_NGINX = /\/api\/websocketd\/?$/

export type Credential =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'login'; readonly username: string; readonly authUrl: URL }

export interface TailOptions {
  /** Without a token. */
  readonly url: URL
  readonly names: readonly string[]
  readonly credential: Credential
  readonly style: Style
  readonly filters: readonly Filter[]
  /** How many events to print; Infinity: all. */
  readonly count: number
  readonly reconnect: boolean
  /** No figures, and no lines about the connection. */
  readonly quiet: boolean
}

const HELP = `
The token: one of --token-file, --username, --token (which other users of this machine can see in its list of
processes), or the environment variable ${TOKEN_VARIABLE}. A token that is deleted or expires is replaced with --username, and
with --token-file when the file has another one. Without a terminal, the password is the first line of standard input.

After a lost connection it goes on from the last event that it has printed. "gap" says that events may be missing.
A server with a certificate of an authority of its own: NODE_EXTRA_CA_CERTS=FILE.

Exit status:
   0  --count is reached, or standard output was closed
   1  there is no token, or standard output failed
   2  wrong arguments
   3  the upgrade is refused: HTTP 403, an origin that is not allowed
 130  Ctrl-C (143: SIGTERM)
and by the close code of the last session, where it does not come back (any code with --no-reconnect):
${statusTable()}`

interface TailValues {
  readonly url: string
  readonly token?: string
  readonly tokenFile?: string
  readonly username?: string
  readonly authUrl?: string
  readonly json?: true
  readonly pretty?: true
  readonly filter?: readonly string[]
  readonly count?: string
  readonly reconnect: boolean
  readonly quiet?: true
}

/**
 * @param argv the arguments after the program's name
 * @param variable the value of TOKEN_VARIABLE
 * @param isTerminal whether standard output is one
 */
export function readTailCommandLine(
  argv: readonly string[],
  variable: string | undefined,
  isTerminal: boolean,
): CommandLine<TailOptions> {
  const read = (command: Command): CommandLine<TailOptions> => ({
    options: tailOptions(command.opts(), command.args, variable, isTerminal),
  })
  return readCommandLine({ program: TAIL_PROGRAM, describe: describeTail, read }, argv)
}

function describeTail(command: Command): void {
  const several = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]
  command
    .description('Prints the events of a Wazo that a token may see.')
    .argument('[EVENT...]', 'names of events (default: all of them)')
    .option('--url <URL>', 'the server: ws://... or wss://...', DEFAULT_URL)
    .option('--token <TOKEN>', 'a token of wazo-auth with the ACL websocketd')
    .option('--token-file <FILE>', 'a file with the token')
    .option(
      '--username <NAME>',
      'log in at wazo-auth, with a password that is asked for, and renew the token',
    )
    .option(
      '--auth-url <URL>',
      'wazo-auth, with --username (default: /api/auth at the host of a --url behind nginx)',
    )
    .addOption(
      new Option(
        '--json',
        'the body of each event as it was published, a line each (default in a pipe)',
      ).conflicts('pretty'),
    )
    .option('--pretty', 'time and name, and the data below (default in a terminal)')
    .option(
      '--filter <PATH=VALUE>',
      'only events with that value: data.status=Ring (repeatable: all must hold)',
      several,
    )
    .option('--count <N>', 'end after N printed events')
    .option('--no-reconnect', 'end with the first session')
    .option('-q, --quiet', 'no figures at the end, and nothing about the connection')
    .addHelpText('after', HELP)
}

function tailOptions(
  values: TailValues,
  names: readonly string[],
  variable: string | undefined,
  isTerminal: boolean,
): TailOptions {
  const url = urlOf(values.url, '--url', ['ws:', 'wss:'])
  if (url.searchParams.has('token'))
    throw new WrongArgument('--url: give the token as --token, --token-file or in the environment')
  const count = values.count === undefined ? Infinity : Number(values.count)
  if (count !== Infinity && !(Number.isSafeInteger(count) && count >= 1))
    throw new WrongArgument('--count needs a whole number from 1')
  return {
    url,
    names: names.length === 0 ? ['*'] : names,
    credential: credentialOf(values, url, variable),
    style: values.json !== true && (values.pretty === true || isTerminal) ? 'pretty' : 'json',
    filters: (values.filter ?? []).map((text) => {
      const filter = parseFilter(text)
      if (filter === null) throw new WrongArgument('--filter needs PATH=VALUE, such as data.status=Ring')
      return filter
    }),
    count,
    reconnect: values.reconnect,
    quiet: values.quiet === true,
  }
}

function credentialOf(values: TailValues, url: URL, variable: string | undefined): Credential {
  const { token, tokenFile: path, username, authUrl } = values
  const given = [token, path, username].filter((value) => value !== undefined)
  if (given.length > 1)
    throw new WrongArgument('only one of --token, --token-file and --username can be given')
  if (authUrl !== undefined && username === undefined) throw new WrongArgument('--auth-url needs --username')
  if (username !== undefined) return { kind: 'login', username, authUrl: authAddress(authUrl, url) }
  if (path !== undefined) return { kind: 'file', path }
  const fixed = token ?? variable ?? ''
  if (fixed === '')
    throw new WrongArgument(`no token: give --token-file, --username or --token, or set ${TOKEN_VARIABLE}`)
  if (!isToken(fixed)) throw new WrongArgument('the token has characters that none has')
  return { kind: 'token', token: fixed }
}

/** wazo-auth stands beside wazo-websocketd in Wazo's nginx. */
function authAddress(given: string | undefined, url: URL): URL {
  if (given !== undefined) {
    const address = urlOf(given, '--auth-url', ['http:', 'https:'])
    if (address.username + address.password !== '')
      throw new WrongArgument('--auth-url: give the user as --username; the password is asked for')
    return address
  }
  if (!BEHIND_NGINX.test(url.pathname))
    throw new WrongArgument('--username needs --auth-url, such as https://HOST/api/auth')
  const auth = new URL(url.href.replace(/^ws/, 'http'))
  auth.pathname = auth.pathname.replace(BEHIND_NGINX, '/api/auth')
  auth.search = auth.username = auth.password = ''
  return auth
}

function urlOf(text: string, option: string, schemes: readonly string[]): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !schemes.includes(url.protocol))
    throw new WrongArgument(
      `${option} needs an address that begins with ${schemes.map((s) => `${s}//`).join(' or ')}`,
    )
  url.hash = ''
  return url
}
