/** The program wazo-websocketd-tail: prints the events that a token may see, and says at its end what it has seen. */
import { processEnvironment } from '@wazo-websocketd/shared/config/process-environment'
import { lineWriter, optionsOrExit } from '@wazo-websocketd/shared/runtime/command-line'
import { errorCode } from '@wazo-websocketd/shared/runtime/system-error'
import {
  TAIL_PROGRAM,
  TOKEN_VARIABLE,
  readTailCommandLine,
  type Credential,
  type TailOptions,
} from './client/command-line.js'
import { statusOf } from './client/close-status.js'
import { Figures } from './client/figures.js'
import { Follower } from './client/follower.js'
import { LoginError, logIn } from './client/login.js'
import { askPassword } from './client/password.js'
import { FixedToken, LoginTokens, TokenFile, type TokenSource } from './client/token-source.js'
import { Viewer } from './client/viewer.js'

const STATUS_REFUSED = 3
const FORBIDDEN = 403
const TOKEN_LIFE_MS = 3_600_000
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

const say = lineWriter(TAIL_PROGRAM)

async function tokensOf(credential: Credential): Promise<TokenSource> {
  if (credential.kind === 'token') return new FixedToken(credential.token)
  if (credential.kind === 'file') return new TokenFile(credential.path)
  const { username, authUrl } = credential
  const password = await askPassword(`Password of ${username} at ${authUrl.host}: `)
  if (password === '') throw new LoginError('no password was given', false)
  return new LoginTokens(
    () => logIn({ authUrl, username, password }, TOKEN_LIFE_MS),
    (message) => say(`the token is not renewed yet: ${message}`),
  )
}

/** Follows the events until nothing is left to do. @returns the exit status */
async function tail(options: TailOptions): Promise<number> {
  const stopped: { status: number | null } = { status: null }
  const viewer = new Viewer({
    ...options,
    host: options.url.host,
    figures: new Figures(() => performance.timeOrigin + performance.now()),
    write: (text) => void process.stdout.write(text),
    say,
    enough: () => stop(0),
  })
  const follower = new Follower({
    ...options,
    tokens: await tokensOf(options.credential),
    event: (body) => viewer.event(body),
    started: (resumed) => viewer.started(resumed),
    retrying: (end, inMs) => viewer.retrying(end, inMs),
  })
  const stop = (status: number): void => {
    stopped.status ??= status
    follower.stop()
  }
  for (const [signal, status] of Object.entries(SIGNALS))
    process.on(signal, () => {
      if (stopped.status !== null) process.exit(status)
      stop(status)
    })
  const end = await follower.run()
  viewer.ended(end, stopped.status === null)
  return stopped.status ?? (end.refused === FORBIDDEN ? STATUS_REFUSED : statusOf(end.code))
}

async function main(): Promise<number> {
  const variable = processEnvironment()[TOKEN_VARIABLE]
  const line = readTailCommandLine(process.argv.slice(2), variable, process.stdout.isTTY)
  return tail(optionsOrExit(TAIL_PROGRAM, line))
}

process.stdout.on('error', (error: Error) => {
  if (errorCode(error) === 'EPIPE') process.exit(0) // `| head` has seen enough
  say(`cannot write: ${errorCode(error) || error.message}`)
  process.exit(1)
})
main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    if (!(error instanceof LoginError)) throw error
    say(error.message)
    process.exit(1)
  },
)
