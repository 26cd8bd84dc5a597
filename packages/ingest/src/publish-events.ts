/** The program wazo-websocketd-publish: sends events to the bus of a Wazo, and tells how long the broker took for them. */
import { readFileSync } from 'node:fs'
import { busHosts } from '@wazo-websocketd/shared/config/derived'
import { ConfigError } from '@wazo-websocketd/shared/config/error'
import { loadConfig } from '@wazo-websocketd/shared/config/load'
import { processEnvironment } from '@wazo-websocketd/shared/config/process-environment'
import { lineWriter, optionsOrExit } from '@wazo-websocketd/shared/runtime/command-line'
import {
  STATUS_CONFIG,
  StartupError,
  messageOf,
  STATUS_USAGE,
} from '@wazo-websocketd/shared/runtime/startup-error'
import { describeSystemError } from '@wazo-websocketd/shared/runtime/system-error'
import { readClientTls } from '@wazo-websocketd/shared/runtime/tls'
import { connectBroker, describeBrokerError, type BrokerOptions } from './broker/connection.js'
import { BrokerHosts } from './broker/hosts.js'
import { PUBLISH_PROGRAM, readPublishCommandLine, type PublishOptions } from './load/command-line.js'
import { GivenEventError, parseGivenEvents, type GivenEvent } from './load/given-events.js'
import { Pace } from './load/pace.js'
import { Sender, UnsendableError } from './load/sender.js'
import { Supply } from './load/supply.js'

const HEARTBEAT_S = 5
const AMQP_PORTS = { 'amqp:': 5672, 'amqps:': 5671 } as const
const STANDARD_INPUT = 0
/** As recorded events name them. */
const HEADERS_EXCHANGE = 'wazo-headers'
const LEGACY_EXCHANGE = 'xivo'

const say = lineWriter(PUBLISH_PROGRAM)

/** Where to publish, and for which Wazo. */
interface Target {
  readonly broker: BrokerOptions
  readonly origin: string | null
  readonly exchanges: ReadonlyMap<string, string>
}

function publishTarget({ amqpUrl, configFile, origin }: PublishOptions): Target {
  if (amqpUrl !== null) return { broker: brokerAt(amqpUrl), origin, exchanges: new Map() }
  const { config } = loadConfig({
    program: 'wazo-websocketd-ingest',
    configFile,
    debug: false,
    user: null,
    environment: processEnvironment(),
  })
  const { bus, uuid } = config
  return {
    broker: {
      hosts: new BrokerHosts(busHosts(bus)),
      tls: readClientTls('bus.tls', bus.tls),
      username: bus.username,
      password: bus.password,
      vhost: bus.vhost,
      heartbeat: bus.heartbeat,
    },
    origin: origin ?? uuid,
    exchanges: new Map([
      [HEADERS_EXCHANGE, bus.exchange_name],
      [LEGACY_EXCHANGE, bus.legacy_exchange ?? LEGACY_EXCHANGE],
    ]),
  }
}

function brokerAt(url: URL): BrokerOptions {
  const port = url.port === '' ? AMQP_PORTS[url.protocol as keyof typeof AMQP_PORTS] : url.port
  return {
    hosts: new BrokerHosts([`${url.hostname}:${port}`]),
    tls: url.protocol === 'amqps:' ? { rejectUnauthorized: true } : null,
    username: decodeURIComponent(url.username || 'guest'),
    password: decodeURIComponent(url.password || 'guest'),
    vhost: url.pathname.length > 1 ? decodeURIComponent(url.pathname.slice(1)) : '/',
    heartbeat: HEARTBEAT_S,
  }
}

function wantedEvents({ names, file }: PublishOptions): readonly (string | GivenEvent)[] {
  if (file === null) return names
  try {
    return parseGivenEvents(readFileSync(file === '-' ? STANDARD_INPUT : file, 'utf8'))
  } catch (error) {
    const why = error instanceof GivenEventError ? error.message : describeSystemError(error)
    throw new StartupError(`--file ${file}: ${why}`, STATUS_USAGE)
  }
}

/** @returns the exit status */
async function publish(options: PublishOptions): Promise<number> {
  const { rate, lengthMs } = options
  const events = wantedEvents(options)
  const { broker, origin, exchanges } = publishTarget(options)
  const supply = new Supply({ ...options, events, origin, exchanges, now: Date.now })
  const count = options.count ?? (lengthMs === Infinity ? events.length : Infinity)
  const ending = new AbortController()
  let fault: unknown = null
  const fail = (error: unknown): void => {
    fault ??= error
    ending.abort()
  }
  try {
    const connection = await connectBroker(broker, PUBLISH_PROGRAM)
    connection.once('close', fail)
    const channel = await connection.createConfirmChannel()
    channel.on('error', fail)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => ending.abort())
    if (options.file === null) say(`of user ${supply.user} in tenant ${supply.tenant}`)
    const sender = new Sender(channel)
    const begin = performance.now()
    await sender.run(new Pace({ rate, count, lengthMs }), () => supply.next(), ending.signal)
    tell(sender, performance.now() - begin)
    connection.off('close', fail)
    if (fault === null) {
      await connection.close()
      return sender.confirmed === sender.sent ? 0 : 1
    }
  } catch (error) {
    fault ??= error
  }
  say(fault instanceof UnsendableError ? fault.message : describeBrokerError(fault, broker))
  return 1
}

function tell({ sent, confirmed, refused, unroutable, latencies }: Sender, ms: number): void {
  const seconds = Math.max(ms / 1000, 0.001)
  say(`${sent} events in ${seconds.toFixed(1)} s (${(sent / seconds).toFixed(1)}/s), ${confirmed} confirmed`)
  if (refused > 0) say(`${refused} refused by the broker`)
  if (unroutable > 0) say(`${unroutable} went nowhere: no queue or stream is bound to their exchange`)
  const summary = latencies.summary()
  if (summary !== null) say(`latency of the broker's confirms: ${summary}`)
}

async function main(): Promise<number> {
  return publish(optionsOrExit(PUBLISH_PROGRAM, readPublishCommandLine(process.argv.slice(2))))
}

main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    say(messageOf(error))
    process.exit(
      error instanceof StartupError ? error.status : error instanceof ConfigError ? STATUS_CONFIG : 1,
    )
  },
)
