/** The whole path on real brokers: Redis, a virtual host of RabbitMQ, wazo-auth's stand-in, ingests, one edge. */
import { startAuth } from '../../support/auth.mjs'
import { freePort } from '../../support/port.mjs'
import { startProgram } from '../../support/program.mjs'
import { openPublisher, type Publisher } from '../../support/publish.js'
import { sharedRabbit } from '../../support/rabbitmq.mjs'
import { startRedis } from '../../support/redis.mjs'

const READY_MS_MAX = 40_000

type Program = Awaited<ReturnType<typeof startProgram>>

export interface Ingest {
  readonly program: Program
  readonly port: number
}

export interface Path {
  readonly wsUrl: string
  /** The metrics port of the edge. */
  readonly edgePort: number
  readonly auth: Awaited<ReturnType<typeof startAuth>>
  readonly rabbit: Awaited<ReturnType<typeof sharedRabbit>>
  /** Name of the virtual host. */
  readonly vhost: string
  readonly publisher: Publisher
  readonly edge: Program
  /** The first ingest. */
  readonly ingest: Ingest
  /** Starts one more ingest; resolves when it is ready. */
  addIngest(): Promise<Ingest>
  stop(): Promise<void>
}

/** Starts everything; resolves when the edge serves. */
export async function startPath({ workers = 2 } = {}): Promise<Path> {
  const rabbit = await sharedRabbit()
  const [redis, auth, amqpUrl] = await Promise.all([startRedis(), startAuth(), rabbit.vhost('path')])
  const publisher = await openPublisher(amqpUrl)
  const [wsPort, edgePort] = [await freePort(), await freePort()]
  const amqp = new URL(amqpUrl)
  const vhost = decodeURIComponent(amqp.pathname.slice(1))
  const config = (ingestPort: number) => ({
    process_workers: workers,
    auth: {
      host: auth.host,
      port: auth.port,
      https: false,
      username: auth.serviceId,
      password: auth.serviceKey,
      key_file: null,
    },
    bus: {
      host: amqp.hostname,
      port: Number(amqp.port),
      username: decodeURIComponent(amqp.username),
      password: decodeURIComponent(amqp.password),
      vhost,
    },
    redis: { url: redis.url },
    websocket: { listen: '127.0.0.1', port: wsPort },
    metrics: { listen: '127.0.0.1', edge_port: edgePort, ingest_port: ingestPort },
  })
  const programs: Program[] = []
  const addIngest = async (): Promise<Ingest> => {
    const port = await freePort()
    const program = await startProgram('ingest', { config: config(port) })
    programs.push(program)
    await program.ready(port, READY_MS_MAX)
    return { program, port }
  }
  const stop = async () => {
    await Promise.all(programs.map((program) => program.stop()))
    await publisher.close()
    await Promise.all([redis.stop(), auth.stop()])
  }
  try {
    const edge = await startProgram('edge', { config: config(await freePort()) })
    programs.push(edge)
    const ingest = await addIngest()
    await edge.ready(edgePort, READY_MS_MAX)
    const wsUrl = `ws://127.0.0.1:${wsPort}`
    return { wsUrl, edgePort, auth, rabbit, vhost, publisher, edge, ingest, addIngest, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The sum of a metric over all its labels that `filter` accepts (a part of the text between the braces). */
export async function metric(port: number, name: string, filter = ''): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(3000) })
  let sum = 0
  for (const line of (await response.text()).split('\n')) {
    const [, labels, value] = new RegExp(`^${name}(\\{.*\\})? (\\S+)$`).exec(line) ?? []
    if (value !== undefined && (labels ?? '').includes(filter)) sum += Number(value)
  }
  return sum
}
