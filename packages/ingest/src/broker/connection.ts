import { connect, type ChannelModel } from 'amqplib'
import { describeTlsError, type ClientTls, type TlsKeys } from '@wazo-websocketd/shared/runtime/tls'
import { NoHostError, type BrokerHosts } from './hosts.js'

export interface BrokerOptions {
  readonly hosts: BrokerHosts
  /** null: AMQP without TLS. */
  readonly tls: ClientTls | null
  readonly username: string
  readonly password: string
  readonly vhost: string
  /** Seconds. Set explicitly: Wazo's broker offers 0, which would leave a dead connection unnoticed. */
  readonly heartbeat: number
}

const CONNECT_TIMEOUT_MS = 10_000
/** As CONNECT_TIMEOUT_MS, while there are other hosts to try. */
const HOST_TIMEOUT_MS = 2000
const ADDRESS = 'bus.host and bus.port (or bus.hosts)'
const UNREACHABLE = /ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN/
const KEYS: TlsKeys = {
  address: ADDRESS,
  tls: 'bus.tls',
  ca: 'bus.tls.ca',
  own: 'bus.tls.cert and bus.tls.key',
}

/**
 * Opens a connection to the first host that takes it. Rejects when none does; `describeBrokerError` says why in one line.
 * Errors of an open connection come as its `close` event.
 */
export async function connectBroker(options: BrokerOptions, name: string): Promise<ChannelModel> {
  const { hosts, tls } = options
  const timeout = hosts.count > 1 ? HOST_TIMEOUT_MS : CONNECT_TIMEOUT_MS
  const connection = await hosts.connect(({ host, port }) =>
    connect(
      {
        protocol: tls === null ? 'amqp' : 'amqps',
        hostname: host,
        port,
        username: options.username,
        password: options.password,
        vhost: encodeURIComponent(options.vhost),
        heartbeat: options.heartbeat,
      },
      // Without noDelay, Nagle's algorithm makes the median latency 21 ms instead of 0.8.
      { ...tls, noDelay: true, timeout, clientProperties: { connection_name: name } },
    ),
  )
  connection.on('error', () => undefined) // `close` follows, and carries the same error
  return connection
}

/**
 * Says in one line what went wrong between this program and the broker, what to do about it, and at which hosts.
 * `lasting`: it has been said before, and waiting has not helped.
 */
export function describeBrokerError(error: unknown, options: BrokerOptions, lasting = false): string {
  const failures = error instanceof NoHostError ? error.failures : [{ host: options.hosts.current, error }]
  const hosts = new Map<string, string[]>()
  for (const failure of failures) {
    const why = describeHostError(failure.error, options, lasting)
    hosts.set(why, [...(hosts.get(why) ?? []), failure.host])
  }
  return [...hosts].map(([why, names]) => `RabbitMQ at ${names.join(', ')}${why}`).join('; ')
}

/** Says what went wrong at one host, to be put after its name. */
function describeHostError(error: unknown, options: BrokerOptions, lasting: boolean): string {
  const message = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const { tls, username, vhost } = options
  const isLogin = /Handshake|Login|closed by server/i.test(message) && !message.includes('access to ')
  if (/ACCESS.REFUSED/.test(message) && isLogin)
    return ` refuses user "${username}": check bus.username and bus.password`
  // amqplib says nothing else of a vhost that is missing or forbidden.
  if (message.includes('Expected ConnectionOpenOk'))
    return ` has no vhost "${vhost}" for user "${username}": check bus.vhost, or create it and grant the permissions`
  if (/ACCESS.REFUSED/.test(message))
    return ` lacks permissions for user "${username}" on vhost "${vhost}": ${message}`
  const [, argument, kind, name] =
    /inequivalent arg '([^']*)' for (exchange|queue) '([^']*)'/.exec(message) ?? []
  if (kind === 'exchange')
    return (
      `: exchange "${name ?? ''}" exists with another ${argument ?? ''}: set bus.exchange_name and ` +
      `bus.exchange_type (or bus.legacy_exchange) to what the broker has, or delete it there (${message})`
    )
  if (kind === 'queue')
    return `: queue "${name ?? ''}" exists with another ${argument ?? ''}: delete that queue on the broker and start again (${message})`
  const [, lostQueue] = /home node .* of durable queue '([^']*)'/.exec(message) ?? []
  if (lostQueue !== undefined && lasting)
    return (
      ` does not bring queue "${lostQueue}" back (${message}). If every node of it is running, remove what is left ` +
      `of the queue: rabbitmqctl eval '${removalCommand(vhost, lostQueue)}'. It is then declared again; clients ` +
      'are closed once, with code 1011'
    )
  const tlsProblem = describeTlsError(code, message, KEYS)
  if (tlsProblem !== null) return ` ${tlsProblem}`
  if (tls === null && /^(Socket closed abruptly|read ECONNRESET|.*Invalid frame)/.test(message))
    return ` closes the connection before it is open: if it speaks TLS on this port, set bus.tls, or correct ${ADDRESS} (${message})`
  const [unreachable] = UNREACHABLE.exec(`${code} ${message}`) ?? []
  if (unreachable !== undefined) return ` cannot be reached: check ${ADDRESS} (${unreachable})`
  return `: ${message}`
}

/**
 * Gives the Erlang code that removes what is left of a queue.
 *
 * Right after its start a broker answers 404 while it brings its queues back. A stream that was declared in
 * the last 0.1 s before the broker was killed never comes back: neither another start nor `delete_queue` nor
 * a queue.delete helps (RabbitMQ 3.10), because only its entry among the durable queues is left.
 */
function removalCommand(vhost: string, queue: string): string {
  const name = `rabbit_misc:r(<<"${vhost}">>, queue, <<"${queue}">>)`
  return `rabbit_amqqueue:internal_delete(${name}, <<"operator">>).`
}
