import type { Channel, ChannelModel } from 'amqplib'
import { systemClock, type Clock } from '@wazo-websocketd/shared/runtime/clock'
import { ACCESS_REFUSED, NOT_FOUND, onChannel, replyCode } from './channel.js'

/**
 * The ordered log in the broker. The arguments below belong to the name: the broker does not change those of a
 * queue that exists.
 */
export const STREAM = 'wazo-websocketd.v1'

/** The broker keeps messages at least so long (retention works in whole segments), unless configured. */
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

/** The age that a stream which was declared as `topology` surely reaches back to. */
export function streamAgeMs({ maxAgeMs = STREAM_AGE_MS_MAX }: Pick<Topology, 'maxAgeMs'>): number {
  return maxAgeMs
}

/** Declares exchanges and stream and binds them; idempotent. */
export class TopologyDeclarer {
  private readonly topology: Topology
  private readonly warn: (line: string) => void
  private readonly clock: Clock
  /** Things that exist and that the broker refuses to declare: checked first, so that it need not refuse again. */
  private readonly undeclarable = new Set<string>()
  private lastWarning: string | null = null

  /** `warn` gets one line about each thing that exists and is not as `topology` asks for. */
  constructor(topology: Topology, warn: (line: string) => void, clock: Clock = systemClock) {
    this.topology = topology
    this.warn = warn
    this.clock = clock
  }

  /**
   * Uses what exists also without the right to declare it. Rejects with the broker's error.
   *
   * RabbitMQ puts one copy of a message into the stream even when several bindings match.
   */
  async declare(connection: ChannelModel): Promise<void> {
    const { stream, exchange, exchangeType } = this.topology
    for (const name of this.exchanges) {
      const type = name === exchange ? exchangeType : 'topic'
      const assert = () =>
        this.onChannel(connection, (channel) => channel.assertExchange(name, type, { durable: true }))
      await this.ensure(connection, name, assert, (channel) => channel.checkExchange(name))
    }
    await this.ensure(
      connection,
      stream,
      () => this.assertStream(connection),
      (channel) => channel.checkQueue(stream),
    )
    await this.onChannel(connection, async (channel) => {
      // A headers exchange ignores the key and matches everything without arguments; a topic one needs `#`.
      for (const name of this.exchanges) await channel.bindQueue(stream, name, '#')
    })
  }

  /** The names of exchanges that do not exist. Rejects when the broker does not say so. */
  async missingExchanges(connection: ChannelModel): Promise<string[]> {
    const missing: string[] = []
    for (const name of this.exchanges)
      if (!(await exists(connection, (channel) => channel.checkExchange(name), this.clock)))
        missing.push(name)
    return missing
  }

  private onChannel(connection: ChannelModel, call: PassiveDeclaration): Promise<void> {
    return onChannel(connection, call, this.clock)
  }

  private get exchanges(): string[] {
    const { exchange, legacyExchange } = this.topology
    return legacyExchange === null ? [exchange] : [exchange, legacyExchange]
  }

  private async ensure(
    connection: ChannelModel,
    name: string,
    assert: () => Promise<void>,
    check: PassiveDeclaration,
  ): Promise<void> {
    if (this.undeclarable.has(name) && (await exists(connection, check, this.clock))) return
    this.undeclarable.delete(name)
    try {
      await assert()
    } catch (error) {
      if (replyCode(error) !== ACCESS_REFUSED || !(await exists(connection, check, this.clock))) throw error
      this.undeclarable.add(name)
    }
  }

  /** Takes an existing stream that keeps more or less than configured, or at other nodes; it has to be a stream. */
  private async assertStream(connection: ChannelModel): Promise<void> {
    const differences = await declareStream(connection, this.topology, this.clock)
    if (differences.length > 0) this.warnOfDifferences(differences.join(', '))
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

/**
 * Declares the stream, or finds in what the existing one differs, in words. Rejects with the broker's error, also where the
 * existing queue is no stream.
 */
export async function declareStream(
  connection: ChannelModel,
  topology: Omit<Topology, 'exchange' | 'exchangeType' | 'legacyExchange'>,
  clock?: Clock,
): Promise<readonly string[]> {
  const differences: string[] = []
  const args = streamArguments(topology)
  for (;;) {
    try {
      const assert = (channel: Channel) =>
        channel.assertQueue(topology.stream, { durable: true, arguments: args })
      await onChannel(connection, assert, clock)
      return differences
    } catch (error) {
      // The broker names one argument at a time.
      const difference = differences.length < ARGUMENTS.size ? acceptExisting(error, args) : null
      if (difference === null) throw error
      differences.push(difference)
    }
  }
}

type PassiveDeclaration = (channel: Channel) => Promise<unknown>

function streamArguments(
  topology: Pick<Topology, 'replicas' | 'maxAgeMs' | 'maxBytes'>,
): Record<string, string | number> {
  const { replicas = null, maxBytes = STREAM_LENGTH_BYTES_MAX } = topology
  return {
    'x-queue-type': 'stream',
    'x-max-age': `${streamAgeMs(topology) / 1000}s`,
    'x-max-length-bytes': maxBytes,
    'x-stream-max-segment-size-bytes': SEGMENT_BYTES_MAX,
    ...(replicas === null ? {} : { 'x-initial-cluster-size': replicas }),
  }
}

/** Whether a passive declaration finds the thing; that needs no right. */
export async function exists(
  connection: ChannelModel,
  check: PassiveDeclaration,
  clock?: Clock,
): Promise<boolean> {
  try {
    await onChannel(connection, check, clock)
    return true
  } catch (error) {
    if (replyCode(error) !== NOT_FOUND) throw error
    return false
  }
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

/**
 * Sets in `args` the argument that the broker objects to as the existing stream has it. Returns the difference in words;
 * null: the error is another one.
 */
function acceptExisting(error: unknown, args: Record<string, string | number>): string | null {
  const [, name = '', wanted, existing] = INEQUIVALENT.exec((error as Error | null)?.message ?? '') ?? []
  const key = ARGUMENTS.get(name)
  if (key === undefined) return null
  if (existing === undefined) Reflect.deleteProperty(args, name)
  else args[name] = name === 'x-max-age' ? existing : Number(existing)
  return `${key} (${name}) wanted ${wanted ?? 'unset'}, existing ${existing ?? 'unset'}`
}
