/** The server under test: one given by the environment, or a whole stack that the suite starts itself. */
import { AuthControl, type MintOptions, type TokenDetails } from './auth.js'
import { Bus } from './bus.js'
import { GIVEN } from './environment.js'
import { Reader } from './reader.js'
import { Session, type OpenOptions } from './session.js'
import { startStack, type Stack, type StackOptions } from './stack.js'

export interface ConnectOptions extends Omit<OpenOptions, 'query'> {
  readonly version?: 1 | 2
  /** The position to present, empty for none; without it the session has no positions. */
  readonly resume?: string
}

/** A server under test with its bus and its wazo-auth. */
export class Target {
  readonly wsUrl: string
  readonly bus: Bus
  readonly auth: AuthControl
  readonly #sessions = new Set<Session>()

  private constructor(wsUrl: string, bus: Bus, auth: AuthControl) {
    this.wsUrl = wsUrl
    this.bus = bus
    this.auth = auth
  }

  static async reach(addresses: { wsUrl: string; amqpUrl: string; authUrl: string }): Promise<Target> {
    const [bus, auth] = await Promise.all([Bus.open(addresses.amqpUrl), AuthControl.reach(addresses.authUrl)])
    return new Target(addresses.wsUrl, bus, auth)
  }

  /** Opens a connection with exactly this query; ended after the test if still open. */
  async open(options: OpenOptions = {}): Promise<Session> {
    const session = await Session.open(this.wsUrl, options)
    this.#sessions.add(session)
    return session
  }

  /** Opens a connection with a token and version; nothing is read from it yet. */
  connect(token: TokenDetails, options: ConnectOptions = {}): Promise<Session> {
    const { version = 2, resume, ...rest } = options
    const positions = resume === undefined ? '' : `&resume=${resume}`
    return this.open({ ...rest, query: `token=${token.token}&version=${version}${positions}` })
  }

  /** A started session subscribed to `names`, of a token given or newly minted. */
  async read(
    names: readonly string[],
    options: MintOptions & { details?: TokenDetails; version?: 1 | 2; resume?: string } = {},
  ): Promise<Reader> {
    const { details, version = 2, resume, ...mint } = options
    const token = details ?? (await this.auth.mint(mint))
    const session = await this.connect(token, { version, ...(resume === undefined ? {} : { resume }) })
    return Reader.start(session, token, version, this.bus, names)
  }

  /** Ends the sessions of a test. */
  endSessions(): void {
    for (const session of this.#sessions) session.close()
    this.#sessions.clear()
  }

  async close(): Promise<void> {
    await this.bus.close()
  }
}

let shared: Promise<{ target: Target; stack: Stack | null }> | null = null

async function reachShared(): Promise<{ target: Target; stack: Stack | null }> {
  const { wsUrl, amqpUrl, authUrl } = GIVEN
  if (wsUrl !== undefined) {
    if (amqpUrl === undefined || authUrl === undefined)
      throw new Error('CONTRACT_WS_URL needs CONTRACT_AMQP_URL and CONTRACT_AUTH_URL beside it')
    return { target: await Target.reach({ wsUrl, amqpUrl, authUrl }), stack: null }
  }
  const stack = await startStack()
  return { target: await Target.reach(stack), stack }
}

const START_LIMIT_MS = 120_000

/** Makes the shared server under test available to the tests of a file; call it inside `describe`. */
export function useTarget(): () => Target {
  let target: Target | null = null
  before(async function () {
    this.timeout(START_LIMIT_MS)
    shared ??= reachShared()
    target = (await shared).target
  })
  afterEach(async () => {
    target?.endSessions()
    await target?.auth.reset()
  })
  return () => target!
}

/** The stacks of all groups; starting is mostly waiting, so they are started together. */
const ownStacks: { readonly options: StackOptions; started: Promise<Stack> | null }[] = []

function startTogether(wanted: (typeof ownStacks)[number]): Promise<Stack> {
  for (const own of ownStacks) {
    // One whose wazo-auth is down is started when its turn comes: its server asks less and less often.
    if (own !== wanted && own.options.authMode !== undefined) continue
    own.started ??= startStack(own.options)
    own.started.catch(() => undefined) // reported by the group that waits for it
  }
  return wanted.started!
}

/** A server of its own for tests that end it or need other settings; skipped when the server is a given one. */
export function useOwnStack(options: StackOptions = {}): () => { target: Target; stack: Stack } {
  const entry = { options, started: null }
  ownStacks.push(entry)
  let own: { target: Target; stack: Stack } | null = null
  before(async function () {
    this.timeout(START_LIMIT_MS)
    if (GIVEN.wsUrl !== undefined) return this.skip()
    const stack = await startTogether(entry)
    own = { target: await Target.reach(stack), stack }
  })
  afterEach(async () => {
    own?.target.endSessions()
    if (!options.authMode) await own?.target.auth.reset() // else the tests themselves decide when it is mended
  })
  after(async function () {
    this.timeout(START_LIMIT_MS)
    await own?.target.close()
    await own?.stack.stop()
  })
  return () => own!
}

// At the root of the suite, whichever file comes first: everything ends when the last test has run.
after(async function () {
  this.timeout(START_LIMIT_MS)
  await Promise.all(ownStacks.map(async ({ started }) => (await started?.catch(() => null))?.stop()))
  if (!shared) return
  const { target, stack } = await shared
  await target.close()
  await stack?.stop()
})
