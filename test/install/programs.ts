/** What runs in the Debian of `npm run package:try`, started as the units start it. */
import type { Guarded } from '../support/guard.mjs'
import { probe } from '../support/port.mjs'
import { waitFor } from '../support/wait.mjs'
import type { Host } from './host.js'
import { show } from './show.js'

export const SERVICE = 'wazo-websocketd'
export const CONFIG = ['-c', '/etc/wazo-websocketd/config.yml']
export const EDGE_PORT = 9504
const INGEST_PORT = 9505
export const WAIT = { timeoutMs: 120_000, everyMs: 100 }

/** Whether a page of a program answers well. */
export async function answers(port: number, path: string): Promise<boolean> {
  const get = fetch(`http://127.0.0.1:${port}${path}`)
  return get.then(({ ok }) => ok).catch(() => false)
}

/** Redis and RabbitMQ, as Debian has them. */
export async function startBrokers(host: Host): Promise<void> {
  host.start('redis', {}, 'redis-server', '--save', '', '--dir', '/var/lib/redis')
  const rabbit = { HOME: '/var/lib/rabbitmq', RABBITMQ_NODENAME: 'rabbit@localhost' }
  const broker = host.start('rabbitmq', rabbit, '/usr/lib/rabbitmq/bin/rabbitmq-server')
  await waitFor(async () => (await probe(5672, Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1]))) !== null, {
    ...WAIT,
    what: 'RabbitMQ',
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${broker.output()}`)
  })
  show('Redis and RabbitMQ run there')
}

/** As the unit starts it. */
export async function startIngest(host: Host): Promise<Guarded> {
  const ingest = host.start(SERVICE, {}, '/usr/bin/wazo-websocketd-ingest', ...CONFIG)
  await waitFor(() => answers(INGEST_PORT, '/readyz'), { ...WAIT, what: 'the ingest' })
  return ingest
}
