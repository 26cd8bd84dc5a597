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
/** Of a call into a node that is busy; 5 by default. */
const EVALUATE_SECONDS_MAX = '60'
const DEBIAN_LIBRARY = '/usr/lib/rabbitmq/lib'
const AMQP_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1])

// Streams are part of the server; no plugin is needed. Wazo's own RabbitMQ runs with heartbeat 0, and a
// client must not rely on the broker for it.
const CONFIGURATION = [
  'heartbeat = 0',
  'vm_memory_high_watermark.absolute = 512MB',
  'disk_free_limit.absolute = 50MB',
  'log.file.level = info',
]
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
 * @property {() => Promise<Rabbit>} start starts it again, after `kill`, on the same port with the same data; gives itself
 * @property {() => boolean} running whether it has been started and not been killed since
 * @property {() => void} unref lets this process end (and take it along) while it still runs
 * @property {() => Promise<void>} stop
 * @property {Record<string, string>} environment what `sharedRabbit` of another process needs to find it
 */

/**
 * Where a node is. The nodes of one cluster share port mapper (epmd) and `home`, which holds the cookie.
 * @typedef {{ node: string, port: number, epmdPort: number, home: string }} Place
 * @typedef {{ epmd: import('./guard.mjs').Guarded, epmdPort: number, home: string }} Ground
 */

/**
 * @param {{ port?: number, dir?: string, configuration?: readonly string[] }} [options] `configuration`: lines besides its own
 * @returns {Promise<Rabbit>}
 */
export async function startRabbit(options = {}) {
  const ground = await prepareGround(options.dir)
  const place = await newPlace(ground, options.port)
  try {
    const rabbit = await startNode(place, options.configuration)
    const { unref, stop } = rabbit
    rabbit.unref = () => {
      unref()
      ground.epmd.unref()
    }
    rabbit.stop = async () => {
      await stop()
      await ground.epmd.terminate('SIGKILL')
    }
    return rabbit
  } catch (error) {
    await ground.epmd.terminate('SIGKILL')
    throw error
  }
}

/**
 * What nodes need before the first of them starts.
 * @param {string} [dir]
 * @returns {Promise<Ground>}
 */
export async function prepareGround(dir) {
  const home = dir ?? (await temporaryDirectory('rabbitmq'))
  const epmdPort = await freePort()
  const epmd = startGuarded('epmd', ['-port', `${epmdPort}`, '-address', '127.0.0.1'])
  await writeFile(join(home, 'enabled_plugins'), '[].\n')
  await waitFor(() => probe(epmdPort, Buffer.from([0, 1, 110])), { what: 'epmd' })
  return { epmd, epmdPort, home }
}

/** @param {Ground} ground @param {number} [port] @returns {Promise<Place>} */
export async function newPlace({ epmdPort, home }, port) {
  const chosen = port ?? (await freePort())
  return { node: `wazo-test-${chosen}@localhost`, port: chosen, epmdPort, home }
}

/**
 * @param {Place} place
 * @param {readonly string[]} [configuration] more lines of rabbitmq.conf
 * @returns {Promise<Rabbit>}
 */
export async function startNode(place, configuration = []) {
  await writeFile(configurationFile(place), [...CONFIGURATION, ...configuration, ''].join('\n'))
  let server = await launch(place)
  /** @type {Rabbit} */
  const rabbit = {
    ...controls(place),
    pid: server.pid,
    running: () => !server.ended(),
    log: () => server.output(),
    async kill(signal = 'SIGKILL') {
      server.killGroup(signal)
      if (signal === 'SIGKILL' || signal === 'SIGTERM') await server.exit
    },
    async start() {
      server = await launch(place)
      rabbit.pid = server.pid
      return rabbit
    },
    unref: () => server.unref(),
    async stop() {
      server.killGroup('SIGKILL') // its data are temporary: nothing to save
      await server.terminate('SIGKILL')
    },
  }
  return rabbit
}

/** Resolves when it takes connections. @param {Place} place */
async function launch(place) {
  const server = startGuarded(join(scripts(), 'rabbitmq-server'), [], {
    cwd: place.home,
    env: { ...environment(place), RABBITMQ_DIST_PORT: `${await freePort()}` },
  })
  const answers = async () => {
    if (server.ended()) throw new Error(`rabbitmq-server did not start:\n${server.output().trim()}`)
    const answer = await probe(place.port, AMQP_HEADER)
    return answer !== null && answer[0] === 1 // a method frame: connection.start
  }
  await waitFor(answers, { timeoutMs: START_MS_MAX, everyMs: 50, what: 'rabbitmq-server' })
  return server
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
    const call = run('erl_call', ['-h', name, '-n', place.node, '-timeout', EVALUATE_SECONDS_MAX, '-e'], {
      env: environment(place),
    })
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
function environment(place) {
  const { node, port, epmdPort, home } = place
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
    RABBITMQ_PID_FILE: join(home, `${node}.pid`),
    RABBITMQ_CONFIG_FILE: configurationFile(place),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(home, 'advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, 'enabled_plugins'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `${ERLANG_ARGUMENTS} -kernel inet_dist_use_interface {127,0,0,1}`,
    RABBITMQ_CTL_ERL_ARGS: '+S 1:1 +sbwt none',
  }
}

/** @param {Place} place */
function configurationFile({ home, node }) {
  return join(home, `${node}.conf`)
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
    running: () => true,
    log: () => '',
    kill: refuse,
    start: refuse,
    unref: () => {},
    stop: refuse,
  })
}
