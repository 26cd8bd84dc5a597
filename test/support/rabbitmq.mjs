/**
 * A RabbitMQ node of one's own: loopback only, its own name, ports, cookie, port mapper (epmd) and data.
 * Runs the server's upstream script, so that it works for any user and beside an installed service.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { runId, startGuarded, temporaryDirectory } from './guard.mjs'
import { freePort, probe } from './port.mjs'
import { waitFor } from './wait.mjs'

const run = promisify(execFile)
const START_MS_MAX = 60_000
const DEBIAN_LIBRARY = '/usr/lib/rabbitmq/lib'
const AMQP_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1])

// Streams are part of the server; no plugin is needed. Wazo's own RabbitMQ runs with heartbeat 0, and a
// client must not rely on the broker for it.
const CONFIGURATION = `
heartbeat = 0
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
log.file.level = info
`
// Two schedulers without busy waiting leave the machine's cores to what is tested.
const ERLANG_ARGUMENTS = '+S 2:2 +SDcpu 1:1 +SDio 4 +sbwt none +sbwtdcpu none +sbwtdio none'

/**
 * @typedef {object} Rabbit
 * @property {string} url of the default virtual host, without a path
 * @property {number} port
 * @property {number} pid of the Erlang virtual machine's process group
 * @property {(name: string) => Promise<string>} vhost the URL of a fresh virtual host, its name made unique
 * @property {(...args: string[]) => Promise<string>} ctl runs rabbitmqctl and gives what it prints
 * @property {(expression: string) => Promise<string>} evaluate runs an Erlang expression, which ends with a full stop, in the node
 * @property {() => string} log
 * @property {(signal?: NodeJS.Signals) => Promise<void>} kill signals the Erlang virtual machine
 * @property {() => Promise<Rabbit>} start starts it again, after `kill`, on the same port with the same data
 * @property {() => void} unref lets this process end (and take it along) while it still runs
 * @property {() => Promise<void>} stop
 * @property {Record<string, string>} environment what `sharedRabbit` of another process needs to find it
 */

/** @typedef {{ node: string, port: number, epmdPort: number, home: string }} Place */

/**
 * @param {{ port?: number, dir?: string, configuration?: string }} [options] `configuration`: lines besides its own
 * @returns {Promise<Rabbit>}
 */
export async function startRabbit(options = {}) {
  const home = options.dir ?? (await temporaryDirectory('rabbitmq'))
  const port = options.port ?? (await freePort())
  const place = { node: `wazo-test-${port}@localhost`, port, epmdPort: await freePort(), home }
  await writeFile(join(home, 'rabbitmq.conf'), `${CONFIGURATION}${options.configuration ?? ''}`)
  await writeFile(join(home, 'enabled_plugins'), '[].\n')
  const epmd = startGuarded('epmd', ['-port', `${place.epmdPort}`, '-address', '127.0.0.1'])
  await waitFor(() => probe(place.epmdPort, Buffer.from([0, 1, 110])), { what: 'epmd' })
  try {
    return await startNode(place, epmd)
  } catch (error) {
    await epmd.terminate('SIGKILL')
    throw error
  }
}

/**
 * @param {Place} place
 * @param {import('./guard.mjs').Guarded} epmd
 * @returns {Promise<Rabbit>}
 */
async function startNode(place, epmd) {
  const distributionPort = await freePort()
  const server = startGuarded(join(scripts(), 'rabbitmq-server'), [], {
    cwd: place.home,
    env: { ...environment(place), RABBITMQ_DIST_PORT: `${distributionPort}` },
  })
  const answers = async () => {
    if (server.ended()) throw new Error(`rabbitmq-server did not start:\n${server.output().trim()}`)
    const answer = await probe(place.port, AMQP_HEADER)
    return answer !== null && answer[0] === 1 // a method frame: connection.start
  }
  await waitFor(answers, { timeoutMs: START_MS_MAX, everyMs: 50, what: 'rabbitmq-server' })
  return {
    ...controls(place),
    pid: server.pid,
    log: server.output,
    async kill(signal = 'SIGKILL') {
      server.killGroup(signal)
      if (signal === 'SIGKILL' || signal === 'SIGTERM') await server.exit
    },
    start: () => startNode(place, epmd),
    unref() {
      server.unref()
      epmd.unref()
    },
    async stop() {
      server.killGroup('SIGKILL') // its data are temporary: nothing to save
      await server.terminate('SIGKILL')
      await epmd.terminate('SIGKILL')
    },
  }
}

/** @param {Place} place */
function controls(place) {
  /** @param {string[]} args */
  const ctl = async (...args) => {
    const { stdout } = await run(join(scripts(), 'rabbitmqctl'), ['--quiet', '-n', place.node, ...args], {
      env: environment(place),
      cwd: place.home,
    })
    return stdout.trim()
  }
  /** @param {string} expression */
  const evaluate = async (expression) => {
    const name = `call-${randomUUID()}` // by default all calls have one, which is refused when two come at once
    const call = run('erl_call', ['-h', name, '-n', place.node, '-e'], { env: environment(place) })
    call.child.stdin?.end(`${expression}\n`)
    const { stdout } = await call
    const [, value] = /^\{ok, (.*)\}$/s.exec(stdout.trim()) ?? []
    if (value === undefined) throw new Error(`${expression}: ${stdout.trim()}`)
    return value
  }
  const url = `amqp://guest:guest@127.0.0.1:${place.port}`
  return {
    url,
    port: place.port,
    ctl,
    evaluate,
    /** @param {string} name */
    async vhost(name) {
      const unique = `${name.replace(/[^A-Za-z0-9-]/g, '-')}-${Math.random().toString(36).slice(2, 8)}`
      // Not rabbitmqctl, which takes a second of CPU to start an Erlang virtual machine of its own.
      await evaluate(
        `ok = rabbit_vhost:add(<<"${unique}">>, <<"test">>), ` +
          `ok = rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"${unique}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>).`,
      )
      return `${url}/${unique}`
    },
    environment: {
      WAZO_TEST_AMQP_URL: url,
      WAZO_TEST_RABBIT_NODE: place.node,
      WAZO_TEST_RABBIT_PORT: `${place.port}`,
      WAZO_TEST_RABBIT_EPMD_PORT: `${place.epmdPort}`,
      WAZO_TEST_RABBIT_HOME: place.home,
    },
  }
}

/** @param {Place} place @returns {NodeJS.ProcessEnv} */
function environment({ node, port, epmdPort, home }) {
  return {
    ...runId,
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    HOME: home,
    ERL_EPMD_PORT: `${epmdPort}`,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_NODENAME: node,
    RABBITMQ_NODE_PORT: `${port}`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_MNESIA_BASE: join(home, 'data'),
    RABBITMQ_LOG_BASE: join(home, 'log'),
    RABBITMQ_PID_FILE: join(home, 'pid'),
    RABBITMQ_CONFIG_FILE: join(home, 'rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(home, 'advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, 'enabled_plugins'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `${ERLANG_ARGUMENTS} -kernel inet_dist_use_interface {127,0,0,1}`,
    RABBITMQ_CTL_ERL_ARGS: '+S 1:1 +sbwt none',
  }
}

/** @returns {string} the directory of the server's own scripts, which (unlike Debian's) run as any user */
function scripts() {
  const candidates = [
    ...(existsSync(DEBIAN_LIBRARY)
      ? readdirSync(DEBIAN_LIBRARY).map((name) => join(DEBIAN_LIBRARY, name, 'sbin'))
      : []),
    ...(process.env.PATH ?? '').split(delimiter),
  ]
  const found = candidates.find((directory) => existsSync(join(directory, 'rabbitmq-server')))
  if (found === undefined)
    throw new Error('rabbitmq-server is not installed: apt-get install rabbitmq-server')
  return dirname(realpathSync(join(found, 'rabbitmq-server')))
}

/** @type {Promise<Rabbit> | undefined} */
let shared

/**
 * The RabbitMQ of this test run: the one that the environment names, or else one for this process.
 * Its `stop` does nothing; take a virtual host of your own.
 * @returns {Promise<Rabbit>}
 */
export function sharedRabbit() {
  shared ??= attached() ?? startUnreferenced()
  return shared.then((rabbit) => ({ ...rabbit, stop: () => Promise.resolve() }))
}

async function startUnreferenced() {
  const rabbit = await startRabbit()
  rabbit.unref()
  return rabbit
}

/** @returns {Promise<Rabbit> | undefined} */
function attached() {
  const { WAZO_TEST_RABBIT_NODE: node, WAZO_TEST_RABBIT_HOME: home } = process.env
  if (node === undefined || home === undefined) return undefined
  const refuse = () =>
    Promise.reject(new Error('this RabbitMQ belongs to the whole test run: start one of your own'))
  return Promise.resolve({
    ...controls({
      node,
      home,
      port: Number(process.env.WAZO_TEST_RABBIT_PORT),
      epmdPort: Number(process.env.WAZO_TEST_RABBIT_EPMD_PORT),
    }),
    pid: -1,
    log: () => '',
    kill: refuse,
    start: refuse,
    unref: () => {},
    stop: refuse,
  })
}
