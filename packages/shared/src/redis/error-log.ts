import { Cluster, type Redis } from 'ioredis'
import type { Clock } from '../runtime/clock.js'
import { parseHostPort, type HostPort } from '../runtime/host-port.js'
import { messageOf } from '../runtime/startup-error.js'
import { describeRedisError, describeSentinelError, hidesReason, type RedisPlace } from './errors.js'
import { askForRefusal, type RefusalQuestion } from './refusal.js'

export interface ErrorLogOptions {
  readonly place: RedisPlace
  readonly tls: RefusalQuestion['tls']
  readonly clock: Clock
}

/** A connection that is not ready after so long is asked for the reason. */
const SLOW_START_MS = 1500
const REFUSAL_MS_MAX = 1000
/** An answer counts for all connections that fail in this time. */
const REFUSAL_KEPT_MS = 1000

/** What ioredis says when it has asked all sentinels for nothing, and what it says of one that it cannot reach. */
const NO_SENTINEL = 'All sentinels are unreachable'
const UNREACHABLE = /ECONN|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN|timed out|Connection is closed/

/** Tells why connections to Redis fail, with the reason that Redis gave. */
export class ErrorLog {
  private readonly options: ErrorLogOptions
  /** By host:port. */
  private readonly asked = new Map<string, Promise<string | null>>()

  constructor(options: ErrorLogOptions) {
    this.options = options
  }

  /** Tells the errors of a client, each as a line for the log. */
  watch(client: Redis | Cluster, tell: (line: string) => void): void {
    const { place, clock } = this.options
    /** What a sentinel said, which tells more than that none is left. */
    let reason: unknown = null
    client.on('ready', () => (reason = null))
    client.on('sentinelError', (error: unknown) => {
      if (reason === null || !UNREACHABLE.test(messageOf(error))) reason = error
    })
    const serverOf = lastServer(client)
    client.on('error', (error: unknown) => {
      const ofSentinels = messageOf(error).startsWith(NO_SENTINEL)
      if (ofSentinels && reason === null) return // it has asked none: it was at the end of its list, and begins again
      const text = ofSentinels ? describeSentinelError(reason, place) : describeRedisError(error, place)
      reason = null
      if (hidesReason(error)) void this.tellRefusal(serverOf(), tell, text)
      else tell(text)
    })
    // A server that takes connections, but no commands, loads its data.
    client.on('connect', () =>
      clock.after(SLOW_START_MS, () => {
        if (client.status === 'connect') void this.tellRefusal(serverOf(), tell, null)
      }),
    )
  }

  /** Tells why the server refuses, or `otherwise` when it does not say; null: nothing. */
  private async tellRefusal(
    server: HostPort | null,
    tell: (line: string) => void,
    otherwise: string | null,
  ): Promise<void> {
    const reason = server === null ? null : await this.refusalBy(server)
    const text = reason === null ? otherwise : describeRedisError(new Error(reason), this.options.place)
    if (text !== null) tell(text)
  }

  private refusalBy(server: HostPort): Promise<string | null> {
    const { tls, clock } = this.options
    const name = `${server.host}:${server.port}`
    let answer = this.asked.get(name)
    if (answer === undefined) {
      answer = askForRefusal({ server, tls, clock, msMax: REFUSAL_MS_MAX })
      this.asked.set(name, answer)
      void answer.then(() => clock.after(REFUSAL_KEPT_MS, () => this.asked.delete(name)))
    }
    return answer
  }
}

/** Tells to which server a client has connected last; null: not known yet. */
function lastServer(client: Redis | Cluster): () => HostPort | null {
  if (!(client instanceof Cluster) && (client.options.sentinels ?? null) === null) {
    const { host = '127.0.0.1', port = 6379 } = client.options
    return () => ({ host, port })
  }
  let last: HostPort | null = null
  if (client instanceof Cluster)
    client.on('node error', (_error: unknown, node: string) => (last = parseHostPort(node)))
  else
    client.on('connect', () => {
      const { remoteAddress: host, remotePort: port } = client.stream
      if (host !== undefined && port !== undefined) last = { host, port }
    })
  return () => last
}
