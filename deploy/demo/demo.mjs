/**
 * `npm run demo`: the whole path on this machine, with events that appear live (README, first two commands).
 *
 * Nothing is imported here that needs an installed package: the demo installs them itself.
 */
import { USAGE, UsageError, readOptions } from './options.mjs'
import { ensureDebian, ensureNode, ensureNpm } from '../../test/support/install.mjs'
import { buildPrograms, programsBuilt } from './prepare.mjs'
import { KEYS, obeyKeys } from './keys.mjs'
import { choosePort, startStack } from './stack.mjs'

const USAGE_STATUS = 64
const STOP_MS_MAX = 20_000
const colours = process.stdout.isTTY && process.env.NO_COLOR === undefined
const bold = (/** @type {string} */ text) => (colours ? `\x1b[1m${text}\x1b[0m` : text)

/** @type {(() => Promise<void>)[]} */
const undo = []
let stopping = false
let midLine = false

/**
 * Ends what was started, last first. What does not end by itself is killed when this process has ended, by
 * the watchdog that started it (test/support/guard.mjs).
 * @param {number} status
 */
async function stop(status) {
  if (stopping) return
  stopping = true
  setTimeout(() => process.exit(status), STOP_MS_MAX).unref()
  for (const end of undo.reverse()) await end().catch(() => {})
  if (undo.length > 0) console.log('The demo has ended.')
  process.exit(status)
}

/** @param {unknown} error */
function fail(error) {
  if (stopping) return
  console.error(`${midLine ? '\n' : ''}demo: ${error instanceof Error ? error.message : String(error)}`)
  void stop(error instanceof UsageError ? USAGE_STATUS : 1)
}

/**
 * One line of progress around `work`.
 * @template T
 * @param {string} what
 * @param {() => Promise<T>} work
 */
async function step(what, work) {
  process.stdout.write(`${what} ... `)
  midLine = true
  const begin = performance.now()
  const result = await work()
  midLine = false
  if (!stopping) console.log(`done (${((performance.now() - begin) / 1000).toFixed(1)} s)`)
  return result
}

/** @param {Awaited<ReturnType<typeof startStack>>} stack */
function announce({ tokens, ports, configFile, world }) {
  const [acme] = world.tenants
  const page = `http://127.0.0.1:${ports.websocket}/console`
  const socket = `ws://127.0.0.1:${ports.websocket}/`
  const tokenOf = (/** @type {string} */ role) => tokens.find((reader) => reader.role === role)?.token
  console.log(`
${bold('Events appear live in a browser at')}
  ${page}#token=${tokenOf('admin')}&names=*

${bold('Tokens')} (put another one into the page to see what its owner may see)
${tokens.map(({ role, token, who }) => `  ${role.padEnd(6)}  ${token}  ${who}`).join('\n')}

${bold('In a terminal')}, events as they come, and one that you publish yourself
  node packages/edge/bin/wazo-websocketd-tail.js --url ${socket} --token ${tokenOf('user')}
  node packages/ingest/bin/wazo-websocketd-publish.js -c ${configFile} --tenant ${acme.uuid} --user ${acme.users[0].uuid} call_created

WebSocket  ${socket}
Metrics    http://127.0.0.1:${ports.edge}/metrics (edge), http://127.0.0.1:${ports.ingest}/metrics (ingest)

${process.stdin.isTTY ? `${bold('Keys')}, while a page is open\n${KEYS}\n` : ''}
${bold('Ctrl-C')} ends the demo and leaves nothing behind.
`)
}

async function main() {
  const options = readOptions(process.argv.slice(2), process.env)
  const { help, port, durationMs, amqpUrl, redisUrl } = options
  if (help) return void console.log(USAGE)
  ensureNode()
  const websocketPort = await choosePort(port)
  const servers = [
    ...(redisUrl === null ? ['redis-server'] : []),
    ...(amqpUrl === null ? ['rabbitmq-server'] : []),
  ]
  await ensureDebian(servers)
  await ensureNpm()
  if (!programsBuilt()) await step('Building the programs', buildPrograms)
  const onStop = (/** @type {() => Promise<void>} */ end) => void undo.push(end)
  const stack = await startStack({ ...options, port: websocketPort, step, onStop, failed: fail })
  if (stopping) return
  announce(stack)
  if (process.stdin.isTTY) obeyKeys(stack, () => interrupt())
  if (durationMs !== null) setTimeout(() => void stop(0), durationMs)
}

function interrupt() {
  if (!stopping) console.log('\nEnding the demo ...')
  void stop(0)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt)
process.on('unhandledRejection', fail)
main().catch(fail)
