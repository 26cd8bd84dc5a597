/** The whole cluster of the demo. */
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startAuth } from '../../test/support/auth.mjs'
import { temporaryDirectory } from '../../test/support/guard.mjs'
import { freePort } from '../../test/support/port.mjs'
import { startRabbit } from '../../test/support/rabbitmq.mjs'
import { startRedis } from '../../test/support/redis.mjs'
import { demoConfig } from './config.mjs'
import { createWorld, readers } from './people.mjs'
import { DemoError, ROOT } from './prepare.mjs'
import { startNode, untilReady } from './programs.mjs'

const DEFAULT_PORT = 9502
const GENERATOR = fileURLToPath(new URL('generator.mjs', import.meta.url))

/**
 * The port to listen on: the one asked for, or 9502 when it is free, or any.
 * @param {number | null} wanted 0: any
 * @throws {DemoError} when the wanted one is in use
 */
export async function choosePort(wanted) {
  if (wanted === 0) return freePort()
  const problem = await listenProblem(wanted ?? DEFAULT_PORT)
  if (problem === null) return wanted ?? DEFAULT_PORT
  if (wanted === null) return freePort()
  const what = problem === 'EADDRINUSE' ? 'is in use' : `cannot be listened on (${problem})`
  throw new DemoError(`Port ${wanted} ${what}; choose another with --port PORT, or leave it out.`)
}

/** @param {number} port @returns {Promise<string | null>} the error's code */
function listenProblem(port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (/** @type {NodeJS.ErrnoException} */ error) => resolve(error.code ?? error.message))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(null)))
  })
}

/**
 * Starts everything, in the order in which the parts need each other.
 * @param {object} options
 * @param {number} options.port
 * @param {string | null} options.amqpUrl
 * @param {string | null} options.redisUrl
 * @param {number | null} options.rate
 * @param {boolean} options.generator
 * @param {(what: string, work: () => Promise<T>) => Promise<T>} options.step shows progress
 * @param {(stop: () => Promise<void>) => void} options.onStop registers what to undo, last first
 * @param {(error: DemoError) => void} options.failed a part ended by itself
 * @template T
 */
export async function startStack({ port, amqpUrl, redisUrl, rate, generator, step, onStop, failed }) {
  const redis = redisUrl ?? (await step('Starting a private Redis', () => privateServer(startRedis, onStop)))
  const amqp =
    amqpUrl ?? (await step('Starting a private RabbitMQ', () => privateServer(startRabbit, onStop)))
  const auth = await startAuth()
  onStop(() => auth.stop())
  const world = createWorld()
  const tokens = readers(world, auth.masterTenant).map(({ role, who, mint }) => ({
    role,
    who,
    token: auth.mint(mint).token,
  }))
  const ports = { websocket: port, edge: await freePort(), ingest: await freePort() }
  const directory = await temporaryDirectory('demo')
  await mkdir(join(directory, 'conf.d'))
  const configFile = join(directory, 'config.yml')
  const config = { directory, origin: world.origin, auth, amqpUrl: amqp, redisUrl: redis, ports }
  await writeFile(configFile, demoConfig(config), { mode: 0o600 })

  /** @param {string} name @param {readonly string[]} args @param {NodeJS.ProcessEnv} [env] */
  const start = (name, args, env) => {
    const program = startNode(name, args, { cwd: ROOT, env, failed })
    onStop(program.stop)
    return program
  }
  const bin = (/** @type {string} */ name) => join(ROOT, 'packages', name, `bin/wazo-websocketd-${name}.js`)
  await step('Starting the ingest', () => {
    const ingest = start('The ingest', [bin('ingest'), '-c', configFile])
    // Servers of somebody else may be other than they are said to be.
    const patient = amqpUrl === null && redisUrl === null
    return untilReady('The ingest', ports.ingest, patient ? null : ingest.lastError)
  })
  /** @type {ReturnType<typeof start>} */
  let edge
  const startEdge = () => {
    edge = start('The edge', [bin('edge'), '-c', configFile])
    return untilReady('The edge', ports.edge)
  }
  await step('Starting the edge with two workers', startEdge)
  const worldFile = join(directory, 'world.json')
  await writeFile(worldFile, JSON.stringify(world))
  const generatorEnv = { GENERATOR_AMQP_URL: amqp, GENERATOR_RATE: rate === null ? '' : String(rate) }
  if (generator) start('The generator of events', [GENERATOR, worldFile], generatorEnv)
  return {
    ...{ tokens, ports, configFile, world },
    upgrade: () => edge.signal('SIGHUP'),
    async restart() {
      await edge.stop()
      await startEdge()
    },
    /** @param {string} token */
    async deleteToken(token) {
      const details = auth.delete(token)
      if (details === null) return
      // Only now: it needs a package that the demo has installed itself.
      const { publishSessionDeleted } = await import('./revoke.mjs')
      await publishSessionDeleted(amqp, { ...details, origin: world.origin })
    },
  }
}

/**
 * @param {() => Promise<{ url: string, stop(): Promise<void> }>} start
 * @param {(stop: () => Promise<void>) => void} onStop
 */
async function privateServer(start, onStop) {
  const server = await start()
  onStop(() => server.stop())
  return server.url
}
