/** A whole real stack of the suite's own: Redis, a virtual host of RabbitMQ, wazo-auth's stand-in, ingest, edge. */
import { connect } from 'node:net'
import { startAuth } from '../../support/auth.mjs'
import { authSection, busSection, merge, type Config } from '../../support/config.js'
import { freePort } from '../../support/port.mjs'
import { startProgram } from '../../support/program.mjs'
import { sharedRabbit } from '../../support/rabbitmq.mjs'
import { startRedis } from '../../support/redis.mjs'
import { waitFor } from '../../support/wait.mjs'
import { WAZO_UUID } from './environment.js'
import { Session } from './session.js'

const READY_MS_MAX = 80_000
const POLL_MS = 50
const WORKERS = 2
const PROBES_PER_WORKER = 4
/** What a worker logs when nothing but the bus is missing any more. */
const TENANT_KNOWN = 'master tenant known'

// Well below what a client of the suite waits for, so that outages of wazo-auth do not make it slow.
const AUTH_TRY_SECONDS = 0.9
const AUTH_TOTAL_SECONDS = 1.8

export interface StackOptions {
  /** Merged over the suite's configuration, section by section. */
  readonly config?: Record<string, unknown>
  readonly env?: Record<string, string>
  /** False: return without waiting for readiness. */
  readonly awaitReady?: boolean
  /** Mode of the stand-in wazo-auth during the start. */
  readonly authMode?: 'ok' | 'down'
}

export type Program = Awaited<ReturnType<typeof startProgram>>

export interface Stack {
  readonly wsUrl: string
  readonly amqpUrl: string
  readonly authUrl: string
  readonly ingest: Program
  edge: Program
  /** Starts the edge anew, which has ended, and waits until every worker serves. */
  restartEdge(): Promise<void>
  /** Nobody listens at the address of wazo-auth any more. */
  stopAuth(): Promise<void>
  /** Somebody does again; tokens of before are forgotten. */
  startAuth(): Promise<void>
  /** Asks the edge for its readiness: the HTTP status of `/readyz`, or 0 when nobody answers. */
  readiness(): Promise<number>
  /** Resolves when the edge accepts connections, ready or not. */
  listening(): Promise<void>
  /** Resolves when the edge is ready. */
  ready(): Promise<void>
  stop(): Promise<void>
}

interface Places {
  readonly amqpUrl: string
  readonly redisUrl: string
  readonly auth: Awaited<ReturnType<typeof startAuth>>
  readonly wsPort: number
  readonly edgePort: number
  readonly ingestPort: number
}

/** Starts a stack; resolves when it serves. Throws with the programs' logs when it does not. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const rabbit = await sharedRabbit()
  let auth = await startAuth()
  const { url: authUrl, port: authPort } = auth
  const [redis, amqpUrl] = await Promise.all([startRedis(), rabbit.vhost('contract')])
  if (options.authMode) auth.set({ mode: options.authMode })
  const [wsPort, edgePort, ingestPort] = [await freePort(), await freePort(), await freePort()]
  const config = configuration(
    { amqpUrl, redisUrl: redis.url, auth, wsPort, edgePort, ingestPort },
    options.config,
  )
  const start = { config, ...(options.env ? { env: options.env } : {}) }
  const [ingest, edge] = await Promise.all([startProgram('ingest', start), startProgram('edge', start)])

  const readiness = async () => {
    try {
      return (await fetch(`http://127.0.0.1:${edgePort}/readyz`, { signal: AbortSignal.timeout(1000) }))
        .status
    } catch {
      return 0
    }
  }
  const ready = async () => {
    await ingest.ready(ingestPort, READY_MS_MAX)
    await stack.edge.ready(edgePort, READY_MS_MAX)
    // The host is ready as soon as one worker is; the suite's connections are dealt to all of them.
    const workers = Number(config['process_workers'])
    const all = async () =>
      stack.edge.logs().split(TENANT_KNOWN).length > workers &&
      (await allServe(auth, `ws://127.0.0.1:${wsPort}`, PROBES_PER_WORKER * workers))
    await waitFor(all, { timeoutMs: READY_MS_MAX, everyMs: POLL_MS, what: 'every worker to serve' })
  }
  const stack: Stack = {
    wsUrl: `ws://127.0.0.1:${wsPort}`,
    amqpUrl,
    authUrl,
    ingest,
    edge,
    readiness,
    async listening() {
      await waitFor(() => accepts(wsPort), {
        timeoutMs: READY_MS_MAX,
        everyMs: POLL_MS,
        what: 'the edge to listen',
      })
    },
    ready,
    async restartEdge() {
      stack.edge = await startProgram('edge', start)
      await ready()
    },
    stopAuth: () => auth.stop(),
    async startAuth() {
      auth = await startAuth({ port: authPort })
    },
    async stop() {
      await Promise.all([stack.edge.stop(), ingest.stop()])
      await Promise.all([redis.stop(), auth.stop()])
    },
  }
  try {
    if (options.awaitReady !== false) await stack.ready()
  } catch (error) {
    const logs = `ingest:\n${ingest.logs()}\nedge:\n${stack.edge.logs()}`
    await stack.stop()
    throw new Error(`${String(error)}\n${logs}`, { cause: error })
  }
  return stack
}

/** Whether `count` connections at once, dealt to the workers in turn, are all served. */
async function allServe(
  auth: Awaited<ReturnType<typeof startAuth>>,
  wsUrl: string,
  count: number,
): Promise<boolean> {
  const probe = async () => {
    const { token } = auth.mint({ acl: ['websocketd'] })
    const session = await Session.open(wsUrl, { query: `token=${token}` })
    return { session, init: await session.next().catch(() => null) }
  }
  const probes = await Promise.all(Array.from({ length: count }, probe))
  for (const { session } of probes) session.close()
  return probes.every(({ init }) => init !== null)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function configuration(places: Places, overrides: Config = {}): Config {
  const config = {
    uuid: WAZO_UUID,
    process_workers: WORKERS,
    auth: { ...authSection(places.auth), prefix: '/api/auth' },
    bus: busSection(places.amqpUrl),
    redis: { url: places.redisUrl },
    websocket: { listen: '127.0.0.1', port: places.wsPort },
    metrics: { listen: '127.0.0.1', edge_port: places.edgePort, ingest_port: places.ingestPort },
    limits: { auth_try_seconds: AUTH_TRY_SECONDS, auth_total_seconds: AUTH_TOTAL_SECONDS },
  }
  return merge(config, overrides)
}
