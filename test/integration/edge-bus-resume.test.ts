import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { LogSink } from '@wazo-websocketd/edge/bus/ports'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { startRedis } from '../support/redis.mjs'
import { HandIngest, Listening, whenLive } from './support/edge-bus.js'
import { sleep, waitFor } from '../support/wait.mjs'

/** `RESUME_SESSIONS=10000` is what a large worker has to bear; with the variable the test prints what it took. */
const SESSIONS = Number(process.env['RESUME_SESSIONS'] ?? 1_000)
const READS_MAX = 200
const BATCHES = 1_500
const EVENTS_PER_BATCH = 2
/** While the sessions resume, events go on. */
const LIVE_INTERVAL_MS = 10

class Session implements LogSink {
  readonly from: Offset
  reached: Offset
  inOrder = true
  outcome = ''

  constructor(from: Offset) {
    this.from = from
    this.reached = from
  }

  events(events: readonly { readonly offset: Offset }[]): void {
    for (const { offset } of events) {
      // The hand-made events have all offsets.
      if (offset !== this.reached + 1) this.inOrder = false
      this.reached = offset
    }
  }

  live(): void {
    this.outcome = 'live'
  }

  lost(loss: string): void {
    this.outcome = `lost: ${loss}`
  }

  congested(): boolean {
    return false
  }
}

/** Seconds that Redis has computed so far. */
async function cpuOf(redis: Redis): Promise<number> {
  const used = [...(await redis.info('cpu')).matchAll(/^used_cpu_(?:user|sys):([\d.]+)/gm)]
  return used.reduce((sum, [, seconds]) => sum + Number(seconds), 0)
}

describe(`${SESSIONS} sessions that resume at once`, function () {
  this.timeout(120_000)

  it(`need at most ${READS_MAX} looks into the log, wherever they stand in it`, async () => {
    const server = await startRedis()
    const ingest = new HandIngest(server.url)
    await ingest.seed()
    let reads = 0
    const edge = new Listening(
      server.url,
      {},
      {
        create: () => {
          const client = new Redis(server.url, { retryStrategy: () => null, maxRetriesPerRequest: null })
          const call = client.callBuffer.bind(client) as (...parts: string[]) => Promise<unknown>
          client.callBuffer = ((...parts: string[]) => {
            reads++
            return call(...parts)
          }) as typeof client.callBuffer
          return client
        },
      },
    )
    ingest.beat()
    await whenLive(edge.bus.lease([0]))
    for (let i = 0; i < BATCHES; i++) await ingest.publish(EVENTS_PER_BATCH)
    await waitFor(() => edge.offset(0) === ingest.head, { what: 'cursor at head' })
    const head = ingest.head
    reads = 0
    const [cpu, begun] = [await cpuOf(ingest.redis), performance.now()]
    // Not in the order of their places.
    const sessions = Array.from({ length: SESSIONS }, (_, i) => new Session((i * 7_919) % head))
    for (const session of sessions)
      edge.bus.readLog(0, { epoch: ingest.epoch, offset: session.from }, session)
    const ended = () => sessions.every(({ outcome }) => outcome !== '')
    while (!ended()) {
      await ingest.publish(1)
      await sleep(LIVE_INTERVAL_MS)
    }
    const took = performance.now() - begun
    const used = (await cpuOf(ingest.redis)) - cpu
    if ('RESUME_SESSIONS' in process.env)
      console.log(`        ${reads} reads, ${took.toFixed(0)} ms, ${used.toFixed(2)} s of Redis's CPU`)
    expect(sessions.filter(({ outcome, inOrder }) => outcome !== 'live' || !inOrder)).to.deep.equal([])
    for (const { reached } of sessions) expect(reached).to.be.within(head, ingest.head)
    expect(reads).to.be.at.most(READS_MAX)
    edge.stop()
    ingest.stop()
    await server.stop()
  })
})
