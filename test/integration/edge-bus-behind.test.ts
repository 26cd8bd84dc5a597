import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import type { LogSink } from '@wazo-websocketd/edge/bus/ports'
import { PAGE_ENTRIES_MAX, RedisLog } from '@wazo-websocketd/edge/bus/log'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { startRedis } from '../support/redis.mjs'
import { callerOf, HandIngest, Listening, PREFIX, whenLive } from './support/edge-bus.js'
import { sleep, waitFor } from '../support/wait.mjs'

/** Everything that a session which reads the log is told. */
class Session implements LogSink {
  readonly offsets: Offset[] = []
  outcome = ''
  full = false
  onEvents: () => void = () => undefined

  events(events: readonly { readonly offset: Offset; readonly body: Uint8Array }[]): void {
    this.offsets.push(...events.map(({ offset }) => offset))
    this.onEvents()
  }

  live(): void {
    this.outcome = 'live'
  }

  lost(loss: string): void {
    this.outcome = `lost: ${loss}`
  }

  congested(): boolean {
    return this.full
  }
}

describe('sessions behind the cursor, over a real Redis', function () {
  this.timeout(30_000)
  let server: Awaited<ReturnType<typeof startRedis>>
  let ingest: HandIngest
  let edge: Listening
  /** Scripts that are being run for this worker: now, and at most so far. */
  let running = 0
  let runningMax = 0
  let reads = 0

  before(async () => {
    server = await startRedis()
    ingest = new HandIngest(server.url)
    await ingest.seed()
    const create = (): Redis => {
      const client = new Redis(server.url, { retryStrategy: () => null, maxRetriesPerRequest: null })
      const call = client.callBuffer.bind(client) as (...parts: string[]) => Promise<unknown>
      client.callBuffer = ((...parts: string[]) => {
        reads++
        runningMax = Math.max(runningMax, ++running)
        return call(...parts).finally(() => running--)
      }) as typeof client.callBuffer
      return client
    }
    edge = new Listening(server.url, {}, { create })
    ingest.beat()
    await whenLive(edge.bus.lease([0]))
    for (let i = 0; i < 1_500; i++) await ingest.publish(2)
    await waitFor(() => edge.offset(0) === 3_000, { what: 'cursor at head' })
  })

  after(async () => {
    edge.stop()
    ingest.stop()
    await server.stop()
  })

  const from = (offset: Offset) => ({ epoch: ingest.epoch, offset })

  it('share one read at a time, and are served to the end, each of them from where it stands', async () => {
    runningMax = 0
    reads = 0
    const sessions = Array.from({ length: 50 }, () => new Session())
    for (const [i, session] of sessions.entries()) edge.bus.readLog(0, from(10 * i), session)
    await waitFor(() => sessions.every(({ outcome }) => outcome === 'live'), {
      what: 'all to be live',
      timeoutMs: 10_000,
    })
    for (const [i, { offsets }] of sessions.entries())
      expect(offsets).to.deep.equal(ingest.sent.filter((offset) => offset > 10 * i))
    expect(runningMax).to.equal(1)
    expect(reads).to.be.below(10)
  })

  it('are told nothing when they end while they wait for a page', async () => {
    const sessions = Array.from({ length: 50 }, () => new Session())
    const stops = sessions.map((session) => edge.bus.readLog(0, from(0), session))
    await Promise.resolve()
    for (const stop of stops) stop()
    const last = new Session()
    edge.bus.readLog(0, from(0), last)
    await waitFor(() => last.outcome === 'live', { what: 'the one that stays' })
    expect(sessions.filter(({ outcome, offsets }) => outcome !== '' || offsets.length > 0)).to.deep.equal([])
  })

  it('are given no more than a page while their client does not take what it has', async () => {
    const [slow, fast] = [new Session(), new Session()]
    slow.onEvents = () => (slow.full = true)
    edge.bus.readLog(0, from(0), slow)
    edge.bus.readLog(0, from(0), fast)
    await waitFor(() => fast.outcome === 'live', { what: 'the other one' })
    await sleep(300)
    const first = slow.offsets.length
    expect(first).to.be.within(1, 2 * PAGE_ENTRIES_MAX)
    expect(slow.outcome).to.equal('')
    slow.full = false
    await waitFor(() => slow.offsets.length > first, { what: 'the next page' })
    slow.onEvents = () => undefined
    slow.full = false
    await waitFor(() => slow.outcome === 'live', { what: 'the rest' })
    expect(slow.offsets).to.deep.equal(ingest.sent)
  })

  it('are given pages that end at their size', async () => {
    const client = ingest.redis
    const log = new RedisLog({ prefix: PREFIX, clock: systemClock, commands: () => callerOf(client) })
    const { entries } = await log.page(0, 0, 1_000)
    const sizes = entries.map((entry) => (entry as Uint8Array).length)
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    expect(bytes).to.be.within(1_000, 1_000 + sizes.at(-1)!)
  })

  it('that come from a worker which was further wait for the cursor', async () => {
    const session = new Session()
    edge.bus.readLog(0, from(ingest.head + 3), session)
    await sleep(300)
    expect(session.outcome).to.equal('')
    const mark = ingest.head + 3
    await ingest.publish(5)
    await waitFor(() => session.outcome === 'live', { what: 'live' })
    expect(session.offsets).to.deep.equal([mark + 1, mark + 2])
  })

  it('stop where they are told to, also where the cursor has yet to come', async () => {
    const [near, far] = [new Session(), new Session()]
    const end = ingest.head + 4
    edge.bus.readLog(0, from(ingest.head - 10), near, ingest.head - 3)
    edge.bus.readLog(0, from(ingest.head - 1), far, end)
    await waitFor(() => near.outcome === 'live', { what: 'the end of the first' })
    const [last] = [ingest.head]
    expect(near.offsets).to.deep.equal(
      ingest.sent.filter((offset) => offset > last - 10 && offset <= last - 3),
    )
    await sleep(100)
    expect(far.outcome).to.equal('')
    await ingest.publish(6)
    await waitFor(() => far.outcome === 'live', { what: 'the end of the second' })
    expect(far.offsets).to.deep.equal(ingest.sent.filter((offset) => offset > last - 1 && offset <= end))
  })

  it('of another epoch are told that continuity is lost, not that the log is short', async () => {
    const session = new Session()
    edge.bus.readLog(0, { epoch: 'another' as Epoch, offset: ingest.head }, session)
    await waitFor(() => session.outcome !== '', { what: 'an outcome' })
    expect(session.outcome).to.equal('lost: continuity')
  })
})
