/** How fast a backlog in the stream is worked off, by the ingest and by a consumer that does nothing. */
import { setTimeout as sleep } from 'node:timers/promises'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import { Cluster } from '../../support/cluster.js'
import type { ToConsumer } from '../contestants/consumer-program.js'
import { Peer } from '../hot-path/peer.js'
import { cpuUsOf, groupOf } from '../measure/cpu.js'
import { PRELOAD } from '../measure/preload.js'
import { interleaved, ScenarioError, TO_ALL, type Bench, type Scenario } from './scenario.js'

const PREFIX = 'wazo-ws'
const EXCHANGE = 'consumer'
const SEND_PER_SECOND = 8_000
/** Until the broker has written what was sent. */
const WRITTEN_MS = 500
const POLL_MS = 5
const MS_MAX = 60_000
/** Starting again is not the rate. */
const LEAD_SHARE = 0.1

/** Somebody who reads a stream. */
interface Reader {
  readonly amqpUrl: string
  readonly exchange: string
  readonly pid: number
  /** How far it is. */
  position(): Promise<number>
}

export const ingest: Scenario = async (bench) => {
  const { rabbit } = bench.stage
  // An ingest alone: no edge that would compete for the cores.
  const cluster = await Cluster.start({ name: 'ingest', edges: 0, ingests: 0, rabbit })
  await cluster.startIngest({}, PRELOAD)
  const redis = cluster.openRedis()
  const consumer = new Peer<ToConsumer>('../contestants/consumer-program.ts')
  const { amqpUrl } = cluster
  try {
    const consumerPid = await consumer.ask<number>({ do: 'start', amqpUrl, exchange: EXCHANGE })
    const readers: Record<'consumer' | 'ours', Reader> = {
      consumer: {
        amqpUrl,
        exchange: EXCHANGE,
        pid: consumerPid,
        position: () => consumer.ask<number>({ do: 'count' }),
      },
      ours: {
        amqpUrl,
        exchange: 'wazo-headers',
        pid: cluster.ingests[0]!.pid,
        position: async () => Number(await redis.hget(keys(PREFIX, 0).meta, 'head')),
      },
    }
    await interleaved(bench, ['consumer', 'ours'] as const, async (name, counts) => {
      const measures = await workOff(bench, readers[name], cluster.redis.pid)
      if (counts) bench.figures.add('ingest', name, measures)
    })
  } finally {
    redis.disconnect()
    await consumer.stop()
    await cluster.stop()
  }
  bench.say('ingest done')
}

/** Stops the reader, sends a backlog, lets it go on, and waits until it has read all. */
async function workOff(
  { stage, plan }: Bench,
  reader: Reader,
  redisPid: number,
): Promise<Record<string, number>> {
  const { amqpUrl, exchange, pid } = reader
  const messages = plan.ingestMessages
  const from = await reader.position()
  process.kill(pid, 'SIGSTOP')
  const pace = { events: messages, batch: 100, perSecond: SEND_PER_SECOND }
  await stage.send({ amqpUrl, exchange, kind: TO_ALL, pace })
  await sleep(WRITTEN_MS)
  const pids = { '': [pid], 'redis ': [redisPid], 'rabbitmq ': groupOf(stage.rabbit.pid) }
  const before = Object.values(pids).map(cpuUsOf)
  process.kill(pid, 'SIGCONT')
  const lead = await reached(reader, from + messages * LEAD_SHARE)
  const all = await reached(reader, from + messages)
  const measures: Record<string, number> = {
    'messages/s': (1_000 * (all.position - lead.position)) / (all.at - lead.at),
  }
  for (const [i, [whose, of]] of Object.entries(pids).entries())
    measures[`${whose}us/message`] = (cpuUsOf(of) - before[i]!) / messages
  return measures
}

async function reached(reader: Reader, position: number): Promise<{ position: number; at: number }> {
  const deadline = performance.now() + MS_MAX
  for (;;) {
    const found = { position: await reader.position(), at: performance.now() }
    if (found.position >= position) return found
    if (found.at > deadline)
      throw new ScenarioError(`${reader.exchange}: stands at ${found.position} of ${position}`)
    await sleep(POLL_MS)
  }
}
