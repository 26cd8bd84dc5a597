/** The command line and the environment of the demo. */
import { parseArgs } from 'node:util'

export const USAGE = `Usage: npm run demo -- [options]

Starts private Redis and RabbitMQ servers with temporary data, a stand-in for wazo-auth, one ingest, an edge
with two workers and a generator of realistic events; prints an address at which the events appear live.
Ctrl-C ends all of it and leaves nothing behind.

Options:
  --port PORT          port of the edge, WebSocket and console page (default: 9502 if free, else a free one)
  --duration SECONDS   end by itself after so long
  --rate EVENTS        so many events per second, evenly, instead of stories at the pace of people
  --no-generator       no events but those that you publish
  -h, --help           this text

Environment:
  DEMO_AMQP_URL        use this RabbitMQ (amqp://user:password@host:port/vhost) instead of a private one
  DEMO_REDIS_URL       use this Redis (redis://host:port) instead of a private one

Both may be servers of a test installation: made-up events are published to the exchanges wazo-headers and xivo.
`

const DURATION_S_MAX = 86_400
const RATE_MAX = 10_000

/** A wrong option or variable; the message is the one line to show. */
export class UsageError extends Error {}

/**
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {DemoOptions}
 * @typedef {object} DemoOptions
 * @property {boolean} help
 * @property {number | null} port
 * @property {number | null} durationMs
 * @property {number | null} rate events per second; null: stories at the pace of people
 * @property {boolean} generator whether there is a generator of events
 * @property {string | null} amqpUrl
 * @property {string | null} redisUrl
 * @throws {UsageError}
 */
export function readOptions(args, env) {
  const { port, duration, rate, 'no-generator': silent = false, help = false } = parse(args)
  if (rate !== undefined && silent) throw new UsageError('--rate and --no-generator exclude each other')
  return {
    help,
    port: port === undefined ? null : wholeNumber('--port', port, 0, 65_535),
    durationMs: duration === undefined ? null : wholeNumber('--duration', duration, 1, DURATION_S_MAX) * 1000,
    rate: rate === undefined ? null : wholeNumber('--rate', rate, 1, RATE_MAX),
    generator: !silent,
    amqpUrl: address('DEMO_AMQP_URL', env, ['amqp:'], 'amqp://user:password@host:port/vhost'),
    redisUrl: address('DEMO_REDIS_URL', env, ['redis:', 'rediss:'], 'redis://host:port'),
  }
}

/** @param {readonly string[]} args */
function parse(args) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        port: { type: 'string' },
        duration: { type: 'string' },
        rate: { type: 'string' },
        'no-generator': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    return values
  } catch (error) {
    const [what] = error instanceof Error ? error.message.split(/\. |\n/, 1) : ['wrong options']
    throw new UsageError(`${what} (see npm run demo -- --help)`)
  }
}

/**
 * @param {string} option
 * @param {string} text
 * @param {number} min
 * @param {number} max
 */
function wholeNumber(option, text, min, max) {
  const number = /^\d{1,6}$/.test(text) ? Number(text) : NaN
  if (number >= min && number <= max) return number
  throw new UsageError(`${option} needs a whole number from ${min} to ${max}, not "${text}"`)
}

/**
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 * @param {readonly string[]} protocols
 * @param {string} example
 */
function address(name, env, protocols, example) {
  const text = env[name]
  if (text === undefined || text === '') return null
  // The value is not repeated in the message: it may hold a password.
  if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol))
    throw new UsageError(`${name} must be an address such as ${example}`)
  return text
}
