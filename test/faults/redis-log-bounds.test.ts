import { randomUUID } from 'node:crypto'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import { decode } from '@wazo-websocketd/shared/domain/envelope'
import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { waitFor } from '../support/wait.mjs'
import { Cluster } from '../support/cluster.js'
import { numbered } from '../support/numbered.js'

const MIB = 1024 ** 2
const LOG = keys('wazo-ws', 0).log
const EVENTS = 500
const USERS = 500
/** Redis keeps a stream in blocks, each of which ends when it is full. */
const LOG_BYTES_MAX = 3 * MIB
const BATCH_BYTES_MAX = 1.5 * MIB
const HISTORY_S = 4
const RESTARTED_FOR_S = 4 * HISTORY_S
const AGE_S_MAX = 2.5 * HISTORY_S

describe('the log in Redis', function () {
  this.timeout(90_000)
  let cluster: Cluster
  let redis: Redis

  const start = async (config: Record<string, unknown>): Promise<void> => {
    cluster = await Cluster.start({ name: 'redis-log-bounds', edges: 0, config: { redis: config } })
    redis = cluster.openRedis()
  }

  afterEach(async () => {
    redis.disconnect()
    await cluster.stop()
  })

  it(`stays within a few times redis.history_bytes when ${EVENTS} events name ${USERS} users each`, async () => {
    await start({ history_bytes: MIB })
    const named = Array.from({ length: USERS }, () => [`user_uuid:${randomUUID()}`, true] as const)
    const headers = Object.fromEntries(named)
    let most = 0
    for (let n = 0; n < EVENTS; n++) {
      cluster.publisher.send(numbered(n, { everyone: false, headers }))
      if (n % 100 !== 99) continue
      await cluster.publisher.flush()
      most = Math.max(most, await size())
    }
    await waitFor(async () => (await newest()) === EVENTS - 1, {
      timeoutMs: 40_000,
      everyMs: 100,
      what: 'the last event',
    })
    most = Math.max(most, await size())
    const batches = (await redis.xrangeBuffer(LOG, '-', '+')).map(([, fields]) => fields[1]!.length)
    console.log(
      `      the log took ${mib(most)} MiB at most, its largest batch ${mib(Math.max(...batches))} MiB`,
    )
    expect(most).to.be.below(LOG_BYTES_MAX)
    expect(Math.max(...batches)).to.be.below(BATCH_BYTES_MAX)
  })

  it(`holds nothing old however often the ingest is restarted within redis.history`, async () => {
    await start({ history: HISTORY_S })
    const begun = performance.now()
    let [restarts, n] = [0, 0]
    for (; performance.now() - begun < RESTARTED_FOR_S * 1_000; restarts++) {
      await cluster.publisher.publish(numbered(n))
      await waitFor(async () => (await newest()) === n, { timeoutMs: 10_000, what: 'the event in the log' })
      n++
      const [ingest] = cluster.ingests.splice(0)
      ingest!.kill('SIGKILL')
      await ingest!.exit
      await cluster.launchIngest()
    }
    const ages = (await times()).map((time) => (Date.now() - time) / 1_000)
    console.log(
      `      after ${restarts} restarts the oldest of ${ages.length} is ${ages[0]!.toFixed(1)} s old`,
    )
    expect(restarts).to.be.above(3)
    expect(ages[0]).to.be.below(AGE_S_MAX)
  })

  async function size(): Promise<number> {
    return Number(await redis.call('MEMORY', 'USAGE', LOG, 'SAMPLES', '0'))
  }

  /** The number of the last event in the log; batches after it may hold none. */
  async function newest(): Promise<number> {
    const last = await redis.xrevrangeBuffer(LOG, '+', '-', 'COUNT', 100)
    return last.toReversed().flatMap(bodiesOf).at(-1)?.data.n ?? -1
  }

  /** When the events in the log have been made, in Unix milliseconds, the oldest one first. */
  async function times(): Promise<number[]> {
    const entries = await redis.xrangeBuffer(LOG, '-', '+')
    return entries.flatMap(bodiesOf).map(({ timestamp }) => Date.parse(`${timestamp.slice(0, -3)}Z`))
  }
})

function bodiesOf([, [, bytes]]: [Buffer, Buffer[]]): { timestamp: string; data: { n?: number } }[] {
  const batch = decode(bytes!)
  if (batch.kind !== 'batch') throw new Error('a state in the log')
  return batch
    .open()
    .map(({ body }) => JSON.parse(Buffer.from(body).toString()) as ReturnType<typeof bodiesOf>[0])
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1)
}
