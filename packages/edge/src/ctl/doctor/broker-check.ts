/** RabbitMQ as an ingest meets it. Nothing is declared or bound that lasts. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { ChannelModel } from 'amqplib'
import {
  describeBrokerError,
  connectBroker,
  type BrokerOptions,
} from '@wazo-websocketd/ingest/broker/connection'
import { ACCESS_REFUSED, closeQuietly, onChannel, replyCode } from '@wazo-websocketd/ingest/broker/channel'
import { BrokerHosts } from '@wazo-websocketd/ingest/broker/hosts'
import { declareStream, exists, type Topology } from '@wazo-websocketd/ingest/broker/topology'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { within } from '@wazo-websocketd/shared/runtime/sleep'
import { error, ok, warning, type Finding } from '../finding.js'

const CHECK = 'rabbitmq'
const RIGHTS = 'give the user the rights of README.md, section RabbitMQ (rabbitmqctl set_permissions)'
/** A broker with an alarm takes nothing from publishers; it says so at once. */
const ALARM_MS = 1_500
const PROBE_PREFIX = 'wazo-websocketd.doctor'
const VERSION_MIN = [3, 9] as const

export interface BrokerCheckOptions {
  /** host:port each. */
  readonly hosts: readonly string[]
  readonly broker: Omit<BrokerOptions, 'hosts'>
  readonly topology: Topology
}

/** One connection to each host, and the questions about the virtual host over the first that takes one. */
export async function checkBroker({
  hosts,
  broker,
  topology,
}: BrokerCheckOptions): Promise<readonly Finding[]> {
  const opened = await Promise.all(hosts.map((host) => openConnection(host, broker)))
  const connection = opened.find((each) => each.connection !== null)?.connection ?? null
  const findings = opened.flatMap(({ finding }) =>
    connection === null || finding.level === 'ok' ? [finding] : [{ ...finding, level: 'warning' as const }],
  )
  try {
    if (connection !== null) findings.push(...(await checkVhost(connection, topology)))
  } finally {
    await Promise.all(opened.flatMap(({ connection: each }) => (each === null ? [] : [closeQuietly(each)])))
  }
  return findings
}

interface Opened {
  readonly connection: ChannelModel | null
  readonly finding: Finding
}

async function openConnection(host: string, broker: BrokerCheckOptions['broker']): Promise<Opened> {
  const options = { ...broker, hosts: new BrokerHosts([host]) }
  try {
    const connection = await connectBroker(options, 'wazo-websocketd-ctl doctor')
    return { connection, finding: versionOf(connection, host) }
  } catch (thrown) {
    return { connection: null, finding: error(CHECK, describeBrokerError(thrown, options)) }
  }
}

function versionOf(connection: ChannelModel, host: string): Finding {
  const { version } = connection.connection.serverProperties
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [majorMin, minorMin] = VERSION_MIN
  const old = major < majorMin || (major === majorMin && minor < minorMin)
  return old
    ? error(CHECK, `${host} is RabbitMQ ${version}, which has no streams`, 'RabbitMQ 3.9 or later is needed')
    : ok(CHECK, `${host} takes the user, version ${version}`)
}

async function checkVhost(connection: ChannelModel, topology: Topology): Promise<readonly Finding[]> {
  const streamExists = await exists(connection, (channel) => channel.checkQueue(topology.stream))
  return [
    ...(await checkExchanges(connection, topology)),
    ...(await checkStream(connection, topology, streamExists)),
    ...(await checkRights(connection, topology, streamExists)),
    await checkAlarms(connection),
  ]
}

/** An exchange that exists is declared again, which changes nothing and shows whether its type is another one. */
async function checkExchanges(
  connection: ChannelModel,
  { exchange, exchangeType, legacyExchange }: Topology,
): Promise<readonly Finding[]> {
  const wanted: readonly (readonly [string, string, string])[] = [
    [exchange, exchangeType, 'bus.exchange_name and bus.exchange_type'],
    ...(legacyExchange === null ? [] : [[legacyExchange, 'topic', 'bus.legacy_exchange'] as const]),
  ]
  const findings: Finding[] = []
  for (const [name, type, keys] of wanted) {
    if (!(await exists(connection, (channel) => channel.checkExchange(name)))) {
      findings.push(
        warning(
          CHECK,
          `there is no exchange ${name}: no daemon of Wazo has published here`,
          `check ${keys} and bus.vhost; the ingest declares it`,
        ),
      )
      continue
    }
    try {
      await onChannel(connection, (channel) => channel.assertExchange(name, type, { durable: true }))
      findings.push(ok(CHECK, `exchange ${name} is of type ${type}`))
    } catch (thrown) {
      // Without the right to configure it, an exchange that exists is used as it is.
      if (replyCode(thrown) === ACCESS_REFUSED) findings.push(ok(CHECK, `exchange ${name} is there`))
      else
        findings.push(
          error(
            CHECK,
            `exchange ${name} is not durable or not of type ${type}`,
            `set ${keys} to what the broker has`,
          ),
        )
    }
  }
  return findings
}

async function checkStream(
  connection: ChannelModel,
  topology: Topology,
  streamExists: boolean,
): Promise<readonly Finding[]> {
  const { stream } = topology
  if (!streamExists)
    return [warning(CHECK, `there is no stream ${stream} yet`, 'start an ingest, which declares it')]
  try {
    const differences = await declareStream(connection, topology)
    return differences.length === 0
      ? [ok(CHECK, `stream ${stream} is as configured`)]
      : [
          warning(
            CHECK,
            `stream ${stream} has other arguments: ${differences.join(', ')}`,
            'to keep less set a policy with max-age or max-length-bytes; for all else delete it (clients get 1011 once)',
          ),
        ]
  } catch (thrown) {
    if (replyCode(thrown) === ACCESS_REFUSED) return [ok(CHECK, `stream ${stream} is there`)]
    return [
      error(
        CHECK,
        `${stream} is no stream, or cannot be used: ${lineOf(thrown)}`,
        `delete that queue (rabbitmqctl delete_queue ${stream}); the ingest declares the stream`,
      ),
    ]
  }
}

/** Tries what each right is for, with things that are gone when this connection is. */
async function checkRights(
  connection: ChannelModel,
  { stream, exchange, legacyExchange }: Topology,
  streamExists: boolean,
): Promise<readonly Finding[]> {
  const probe = `${PROBE_PREFIX}.${randomUUID()}`
  const tries: readonly (readonly [string, () => Promise<void>])[] = [
    [
      `configure (${stream})`,
      () =>
        onChannel(connection, (channel) => channel.assertQueue(probe, { exclusive: true, durable: false })),
    ],
    ...(streamExists
      ? ([
          // Nothing is bound with this key: only the rights are looked at.
          ...[exchange, ...(legacyExchange === null ? [] : [legacyExchange])].map(
            (name) =>
              [
                `read (${name}) and write (${stream}), to bind`,
                () => onChannel(connection, (channel) => channel.unbindQueue(stream, name, probe)),
              ] as const,
          ),
          [`read (${stream})`, () => consumeNothing(connection, stream)],
        ] as const)
      : []),
  ]
  const findings: Finding[] = []
  for (const [what, attempt] of tries) {
    try {
      await attempt()
    } catch (thrown) {
      if (replyCode(thrown) === ACCESS_REFUSED)
        findings.push(error(CHECK, `the user lacks the right: ${what}`, RIGHTS))
    }
  }
  return findings.length > 0 ? findings : [ok(CHECK, 'the user has the rights that an ingest needs')]
}

async function consumeNothing(connection: ChannelModel, stream: string): Promise<void> {
  await onChannel(connection, async (channel) => {
    await channel.prefetch(1)
    await channel.consume(stream, () => undefined, { arguments: { 'x-stream-offset': 'next' } })
  })
}

/** Publishes one message that no queue gets: an alarm shows in that it is not confirmed, and the broker says why. */
async function checkAlarms(connection: ChannelModel): Promise<Finding> {
  const channel = await connection.createConfirmChannel()
  channel.on('error', () => undefined)
  const refused = once(channel, 'close').then(
    () => 'refused' as const,
    () => 'refused' as const,
  )
  const blocked = once(connection, 'blocked').then(([reason]) => String(reason))
  channel.publish('', `${PROBE_PREFIX}.${randomUUID()}`, Buffer.alloc(0))
  const confirmed = channel.waitForConfirms().then(
    () => 'confirmed' as const,
    () => 'refused' as const,
  )
  const answer = within(systemClock, ALARM_MS, 'a message', Promise.race([confirmed, refused, blocked]))
  const result = await answer.catch(() => 'no confirmation')
  if (result === 'confirmed') {
    await closeQuietly(channel)
    return ok(CHECK, 'no alarm is in force')
  }
  if (result === 'refused')
    return error(CHECK, 'the user lacks the right: write (amq.default), for canaries', RIGHTS)
  return error(
    CHECK,
    `an alarm keeps publishers out: ${result}`,
    'free memory or disk there (rabbitmqctl status, section Alarms)',
  )
}

function lineOf(thrown: unknown): string {
  return (thrown instanceof Error ? thrown.message : String(thrown)).split('\n')[0] ?? ''
}
