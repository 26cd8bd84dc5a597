import type { Channel, ChannelModel } from 'amqplib'
import { closeQuietly } from './channel.js'

/**
 * The ordered log in the broker. The arguments below belong to the name: the broker does not change those of a
 * queue that exists.
 */
export const STREAM = 'wazo-websocketd.v1'

/** How far back the broker keeps messages, at least (retention works in whole segments), unless configured. */
export const STREAM_AGE_MS_MAX = 600_000
const STREAM_LENGTH_BYTES_MAX = 1024 ** 3
/** Small, so that retention works in steps of seconds on a busy bus. */
const SEGMENT_BYTES_MAX = 16 * 1024 ** 2

export interface Topology {
  readonly stream: string
  readonly exchange: string
  readonly exchangeType: string
  /** The topic exchange that wazo-auth still publishes on; null: not bound. */
  readonly legacyExchange: string | null
  /** Nodes that hold the stream; null: as many as the broker thinks best. */
  readonly replicas?: number | null
  readonly maxAgeMs?: number
  readonly maxBytes?: number
}

/** How far back a stream that was declared as `topology` says surely reaches. */
export function streamAgeMs({ maxAgeMs = STREAM_AGE_MS_MAX }: Topology): number {
  return maxAgeMs
}

/** The names of exchanges that are not there. Rejects when the broker does not say so. */
export async function missingExchanges(connection: ChannelModel, topology: Topology): Promise<string[]> {
  const missing: string[] = []
  for (const name of exchangesOf(topology))
    if (!(await exists(connection, (channel) => channel.checkExchange(name)))) missing.push(name)
  return missing
}

/** As `TopologyKeeper.declare`, once. */
export function declareTopology(connection: ChannelModel, topology: Topology): Promise<void> {
  return new TopologyDeclarer(topology, () => undefined).declare(connection)
}

/** Declares exchanges and stream and binds them; idempotent. */
export class TopologyDeclarer {
  private readonly topology: Topology
  private readonly warn: (line: string) => void
  /** The broker refuses to declare them although they are there: looked at first, so that it need not refuse again. */
  private readonly undeclarable = new Set<string>()
  private lastWarning: string | null = null

  /** `warn` gets one line about each thing that is there and not as it was asked for. */
  constructor(topology: Topology, warn: (line: string) => void) {
    this.topology = topology
    this.warn = warn
  }

  /**
   * RabbitMQ puts one copy of a message into the stream even when several bindings match. What is there already is
   * used also without the right to declare it. Rejects with the broker's error.
   */
  async declare(connection: ChannelModel): Promise<void> {
    const { stream, exchange, exchangeType } = this.topology
    for (const name of exchangesOf(this.topology)) {
      const type = name === exchange ? exchangeType : 'topic'
      const assert = () =>
        onChannel(connection, (channel) => channel.assertExchange(name, type, { durable: true }))
      await this.ensure(connection, name, assert, (channel) => channel.checkExchange(name))
    }
    await this.ensure(connection, stream, this.assertStream(connection), (channel) =>
      channel.checkQueue(stream),
    )
    await onChannel(connection, async (channel) => {
      // A headers exchange ignores the key and matches everything without arguments; a topic one needs `#`.
      for (const name of exchangesOf(this.topology)) await channel.bindQueue(stream, name, '#')
    })
  }

  private async ensure(
    connection: ChannelModel,
    name: string,
    assert: () => Promise<void>,
    check: Call,
  ): Promise<void> {
    if (this.undeclarable.has(name) && (await exists(connection, check))) return
    this.undeclarable.delete(name)
    try {
      await assert()
    } catch (error) {
      if (replyCode(error) !== FORBIDDEN || !(await exists(connection, check))) throw error
      this.undeclarable.add(name)
    }
  }

  /** One that is there may keep more or less than was asked for, or at other nodes; it has to be a stream. */
  private assertStream(connection: ChannelModel): () => Promise<void> {
    const { stream } = this.topology
    return async () => {
      const differences: string[] = []
      const args = streamArguments(this.topology)
      for (;;) {
        try {
          await onChannel(connection, (channel) =>
            channel.assertQueue(stream, { durable: true, arguments: args }),
          )
          break
        } catch (error) {
          // The broker names one argument at a time.
          const difference = differences.length < ARGUMENTS.size ? acceptExisting(error, args) : null
          if (difference === null) throw error
          differences.push(difference)
        }
      }
      if (differences.length > 0) this.warnOfDifferences(differences.join(', '))
    }
  }

  private warnOfDifferences(differences: string): void {
    const { stream } = this.topology
    this.undeclarable.add(stream)
    if (this.lastWarning === differences) return
    this.lastWarning = differences
    this.warn(
      `stream "${stream}" exists with other arguments and is used as it is: ${differences}. To keep less, set a policy ` +
        'with max-age or max-length-bytes for it; for all else delete it on the broker (clients are closed once, with code 1011)',
    )
  }
}

type Call = (channel: Channel) => Promise<unknown>

const FORBIDDEN = 403
const NOT_FOUND = 404

function exchangesOf({ exchange, legacyExchange }: Topology): string[] {
  return legacyExchange === null ? [exchange] : [exchange, legacyExchange]
}

function streamArguments(topology: Topology): Record<string, string | number> {
  const { replicas = null, maxBytes = STREAM_LENGTH_BYTES_MAX } = topology
  return {
    'x-queue-type': 'stream',
    'x-max-age': `${streamAgeMs(topology) / 1000}s`,
    'x-max-length-bytes': maxBytes,
    'x-stream-max-segment-size-bytes': SEGMENT_BYTES_MAX,
    ...(replicas === null ? {} : { 'x-initial-cluster-size': replicas }),
  }
}

/** On a channel of its own, which the broker closes when it refuses. */
async function onChannel(connection: ChannelModel, call: Call): Promise<void> {
  const channel = await connection.createChannel()
  channel.on('error', () => undefined) // the rejected call says it
  await call(channel)
  await closeQuietly(channel)
}

/** `check` is passive and needs no right. */
async function exists(connection: ChannelModel, check: Call): Promise<boolean> {
  try {
    await onChannel(connection, check)
    return true
  } catch (error) {
    if (replyCode(error) !== NOT_FOUND) throw error
    return false
  }
}

function replyCode(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code
}

/** Arguments in which a stream that exists may differ, and what they are called in the configuration. */
const ARGUMENTS: ReadonlyMap<string, string> = new Map([
  ['x-max-age', 'bus.stream.max_age'],
  ['x-max-length-bytes', 'bus.stream.max_bytes'],
  ['x-initial-cluster-size', 'bus.stream.replicas'],
  ['x-stream-max-segment-size-bytes', 'size of its segments'],
])
const VALUE = `(?:the value )?'([^']*)'(?: of type '[^']*')?|none`
const INEQUIVALENT = new RegExp(
  `inequivalent arg '([^']*)' for queue .*: received (?:${VALUE}) but current is (?:${VALUE})`,
)

/** Takes the argument that the broker objects to over into `args`; the difference in words, or null: another error. */
function acceptExisting(error: unknown, args: Record<string, string | number>): string | null {
  const [, name = '', wanted, existing] = INEQUIVALENT.exec((error as Error | null)?.message ?? '') ?? []
  const key = ARGUMENTS.get(name)
  if (key === undefined) return null
  if (existing === undefined) Reflect.deleteProperty(args, name)
  else args[name] = name === 'x-max-age' ? existing : Number(existing)
  return `${key} (${name}) wanted ${wanted ?? 'unset'}, existing ${existing ?? 'unset'}`
}
