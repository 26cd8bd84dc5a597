/** Both real programs on brokers of their own: what the tests of this directory put something in front of. */
import { startAuth } from '../../support/auth.mjs'
import { freePort } from '../../support/port.mjs'
import { startProgram, type Program } from '../../support/program.mjs'
import { openPublisher, type Publisher } from '../../support/publish.js'
import { sharedRabbit } from '../../support/rabbitmq.mjs'
import { startRedis } from '../../support/redis.mjs'

export type Auth = Awaited<ReturnType<typeof startAuth>>

export interface Stack {
  readonly auth: Auth
  readonly publisher: Publisher
  readonly ingest: Program
  /** The edge that runs now. */
  readonly edge: () => Program
  readonly ports: { readonly websocket: number; readonly edge: number; readonly ingest: number }
  /** Starts the edge again on the same ports, after it was stopped. */
  startEdge(): Promise<void>
  stop(): Promise<void>
}

/** Starts everything and waits until both programs are ready. `workers`: of the edge. */
export async function startStack(name: string, workers = 1): Promise<Stack> {
  const [redis, auth, rabbit] = await Promise.all([startRedis(), startAuth(), sharedRabbit()])
  const amqpUrl = await rabbit.vhost(name)
  const bus = new URL(amqpUrl)
  const ports = { websocket: await freePort(), edge: await freePort(), ingest: await freePort() }
  const { host, port, serviceId: username, serviceKey: password } = auth
  const config = {
    auth: { host, port, prefix: null, username, password, key_file: null },
    bus: {
      host: bus.hostname,
      port: Number(bus.port),
      username: bus.username,
      password: bus.password,
      vhost: bus.pathname.slice(1),
    },
    redis: { url: redis.url },
    websocket: { port: ports.websocket },
    process_workers: workers,
    metrics: { edge_port: ports.edge, ingest_port: ports.ingest },
    console: { enabled: true },
  }
  const ingest = await startProgram('ingest', { config })
  const publisher = await openPublisher(amqpUrl)
  let edge = await startProgram('edge', { config })
  await Promise.all([ingest.ready(ports.ingest), edge.ready(ports.edge, 30_000)])
  return {
    auth,
    publisher,
    ingest,
    edge: () => edge,
    ports,
    async startEdge() {
      edge = await startProgram('edge', { config })
      await edge.ready(ports.edge, 30_000)
    },
    async stop() {
      await publisher.close()
      await Promise.all([edge.stop('SIGTERM', 5000), ingest.stop('SIGTERM', 5000)])
      await Promise.all([redis.stop(), auth.stop()])
    },
  }
}
