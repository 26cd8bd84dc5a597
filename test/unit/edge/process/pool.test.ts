import { HandoverRelay } from '@wazo-websocketd/edge/handover/relay'
import { MetricStore } from '@wazo-websocketd/edge/process/metric-store'
import type { Generation } from '@wazo-websocketd/edge/process/generation'
import { WorkerPool } from '@wazo-websocketd/edge/process/pool'
import type { RestartReason } from '@wazo-websocketd/edge/process/metrics'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { fakeLog } from '../../../support/fakes/log.js'
import { FakeWorker, generation } from '../../../support/fakes/worker.js'

const READY_MS_MAX = 20_000

function setUp(size = 2, over: Partial<Generation> = {}) {
  const clock = new FakeClock()
  const { logger, entries } = fakeLog()
  const workers: FakeWorker[] = []
  const restarts: RestartReason[] = []
  let running = -1
  let serving = -1
  let hanging = -1
  const store = new MetricStore()
  const pool = new WorkerPool({
    generation: generation({ workers: size, ...over }),
    fork: () => {
      const worker = new FakeWorker(workers.length + 1)
      workers.push(worker)
      return worker
    },
    relay: new HandoverRelay({ clock }),
    store,
    readyMsMax: READY_MS_MAX,
    metrics: {
      workers: (n) => void (running = n),
      ready: (n) => void (serving = n),
      hanging: (n) => void (hanging = n),
      restarted: (reason) => void restarts.push(reason),
    },
    clock,
    logger,
    random: () => 0,
  })
  pool.failed.catch(() => undefined)
  pool.start()
  return {
    clock,
    pool,
    store,
    workers,
    restarts,
    entries,
    running: () => running,
    serving: () => serving,
    hanging: () => hanging,
  }
}

const NEXT = { version: '2.0.0', setup: { config: 'new' } }

/** How a replacement has ended so far. */
function outcomeOf(replacement: Promise<void>): { ended: string | null } {
  const outcome: { ended: string | null } = { ended: null }
  replacement.then(
    () => (outcome.ended = 'done'),
    (error: unknown) => (outcome.ended = String(error)),
  )
  return outcome
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false
  void promise.then(() => (done = true))
  await settle()
  return done
}

describe('the pool of workers', () => {
  it('counts the workers that serve', () => {
    const { workers, serving } = setUp(2)
    expect(serving()).to.equal(0)
    for (const worker of workers) worker.ready()
    expect(serving()).to.equal(2)
    workers[0]!.say({ kind: 'missing', missing: ['redis: not connected'] })
    expect(serving()).to.equal(1)
    workers[1]!.exit(1, null)
    expect(serving()).to.equal(0)
  })

  it('starts its workers and gives each its setup when it says hello', () => {
    const { workers, running } = setUp(3)
    expect(running()).to.equal(3)
    workers[2]!.say({ kind: 'hello' })
    expect(workers[2]!.sent).to.deep.equal([
      { kind: 'setup', setup: { config: 'old' }, place: { slot: 2, successor: false } },
    ])
    expect(workers[0]!.sent).to.deep.equal([])
  })

  it('ignores messages of others', () => {
    const { workers } = setUp(1)
    workers[0]!.say({ type: 'prom-client:getMetricsRes' })
    expect(workers[0]!.sent).to.deep.equal([])
  })

  it('does not hear what a worker has said when its end was told before', async () => {
    const { workers, store } = setUp(2)
    const snapshot = async (connections: number) => {
      const metrics = new Metrics({ defaults: false })
      metrics.gauge({ name: 'connections', help: 'C.' }).set(connections)
      return metrics.snapshot()
    }
    workers[0]!.ready().say({ kind: 'metrics', snapshot: await snapshot(3) })
    workers[1]!.ready().say({ kind: 'metrics', snapshot: await snapshot(4) })
    workers[1]!.exit(null, 'SIGKILL')
    workers[1]!.say({ kind: 'metrics', snapshot: await snapshot(5) })
    expect((await store.exposition([])).body).to.include('websocketd_connections 3\n')
  })

  it('has its workers tell their metrics: waits for all that live, and for one that hangs no longer than allowed', async () => {
    const { clock, pool, workers } = setUp(3)
    expect(await Promise.race([pool.refreshMetrics(300).then(() => 'told'), settle()])).to.equal('told') // all are starting
    for (const worker of workers) worker.ready()
    const asked = () => workers.filter(({ sent }) => sent.some(({ kind }) => kind === 'tell')).length
    const first = outcomeOf(pool.refreshMetrics(300))
    expect(asked()).to.equal(3)
    workers[0]!.say({ kind: 'metrics', snapshot: [] })
    workers[1]!.exit(null, 'SIGKILL')
    await settle()
    expect(first.ended).to.equal(null)
    workers[2]!.say({ kind: 'metrics', snapshot: [] })
    await settle()
    expect(first.ended).to.equal('done')
    const second = outcomeOf(pool.refreshMetrics(300))
    workers[0]!.say({ kind: 'metrics', snapshot: [] })
    clock.advance(299)
    await settle()
    expect(second.ended).to.equal(null)
    clock.advance(1)
    await settle()
    expect(second.ended).to.equal('done')
  })

  describe('when a worker dies', () => {
    it('starts another one in the same slot within a second', () => {
      const { clock, workers, running, restarts } = setUp()
      workers[1]!.exit(null, 'SIGKILL')
      expect(running()).to.equal(1)
      clock.advance(999)
      expect(workers).to.have.length(3)
      expect(running()).to.equal(2)
      workers[2]!.say({ kind: 'hello' })
      expect(workers[2]!.sent).to.deep.equal([
        { kind: 'setup', setup: { config: 'old' }, place: { slot: 1, successor: false } },
      ])
      expect(restarts).to.deep.equal(['signal'])
    })

    it('tells signal, error and unexpected end apart', () => {
      const { clock, workers, restarts } = setUp(1)
      workers[0]!.exit(null, 'SIGSEGV')
      clock.advance(60_000)
      workers[1]!.exit(1, null)
      clock.advance(60_000)
      workers[2]!.exit(0, null)
      expect(restarts).to.deep.equal(['signal', 'error', 'exit'])
    })

    it('backs off when it keeps dying, up to half a minute', () => {
      const { clock, workers } = setUp(1)
      const delays: number[] = []
      for (let i = 0; i < 12; i++) {
        const count = workers.length
        workers.at(-1)!.exit(1, null)
        const since = clock.monotonic()
        while (workers.length === count) clock.advance(50)
        delays.push(clock.monotonic() - since)
      }
      expect(delays.slice(0, 4)).to.deep.equal([100, 200, 400, 800])
      expect(delays.at(-1)).to.equal(30_000)
    })

    it('forgets the backoff once a worker has run for a while', () => {
      const { clock, workers } = setUp(1)
      for (let i = 0; i < 5; i++) {
        workers.at(-1)!.exit(1, null)
        clock.advance(3000)
      }
      clock.advance(10_000)
      const count = workers.length
      workers.at(-1)!.exit(1, null)
      clock.advance(100)
      expect(workers).to.have.length(count + 1)
    })

    it('does not let one slot slow down another', () => {
      const { clock, workers } = setUp(2)
      for (let i = 0; i < 5; i++) {
        workers.at(-1)!.exit(1, null)
        clock.advance(1600)
      }
      const count = workers.length
      workers[0]!.exit(1, null)
      clock.advance(100)
      expect(workers).to.have.length(count + 1)
    })
  })

  describe('is ready', () => {
    it('as soon as one worker is, and names what all of them miss before', () => {
      const { pool, workers } = setUp()
      expect(pool.notReadyReasons()).to.deep.equal(['worker is starting'])
      workers[0]!.say({ kind: 'missing', missing: ['Redis', 'master tenant'] })
      workers[1]!.say({ kind: 'missing', missing: ['Redis'] })
      expect(pool.notReadyReasons()).to.deep.equal(['Redis', 'master tenant'])
      workers[1]!.say({ kind: 'missing', missing: [] })
      expect(pool.notReadyReasons()).to.deep.equal([])
    })

    it('not when the only ready worker hangs', () => {
      const { clock, pool, workers } = setUp(1)
      workers[0]!.ready()
      clock.advance(4000)
      workers[0]!.say({ kind: 'metrics', snapshot: [] })
      clock.advance(4000)
      expect(pool.notReadyReasons()).to.deep.equal([])
      clock.advance(2000)
      expect(pool.notReadyReasons()).to.deep.equal(['worker does not answer'])
    })

    it('also when one of several workers hangs, which its remarks and metrics tell', async () => {
      const { clock, pool, workers, hanging } = setUp(2)
      for (const worker of workers) worker.ready()
      clock.advance(4000)
      workers[0]!.say({ kind: 'missing', missing: [] })
      const refresh = async () => {
        const refreshed = pool.refreshMetrics(300)
        clock.advance(300)
        await refreshed
      }
      await refresh()
      expect(hanging()).to.equal(0)
      expect(pool.remarks()).to.deep.equal([])
      clock.advance(2000)
      await refresh()
      expect(hanging()).to.equal(1)
      expect(pool.remarks()).to.deep.equal(['worker 1 does not answer'])
      expect(pool.notReadyReasons()).to.deep.equal([])
    })

    it('not without workers, nor while draining', () => {
      const { pool, workers } = setUp(1)
      workers[0]!.ready().exit(1, null)
      expect(pool.notReadyReasons()).to.deep.equal(['no worker is running'])
      void pool.stop()
      expect(pool.notReadyReasons()).to.deep.equal(['draining'])
    })
  })

  describe('when it stops', () => {
    it('orders every worker to drain with its share of the rate, and waits for their end', async () => {
      const { pool, workers, restarts } = setUp()
      for (const worker of workers) worker.ready()
      const stopped = pool.stop()
      const drain = { kind: 'drain', order: { ratePerSecond: 100, timeoutMs: 30_000 } }
      expect(workers[0]!.sent.at(-1)).to.deep.equal(drain)
      expect(workers[1]!.sent.at(-1)).to.deep.equal(drain)
      workers[0]!.exit(0, null)
      expect(await isDone(stopped)).to.equal(false)
      workers[1]!.exit(0, null)
      expect(await isDone(stopped)).to.equal(true)
      expect(workers).to.have.length(2)
      expect(restarts).to.deep.equal([])
    })

    it('kills what has not ended three seconds after the deadline', async () => {
      const { clock, pool, workers } = setUp(1)
      workers[0]!.ready()
      const stopped = pool.stop()
      clock.advance(32_999)
      expect(workers[0]!.kills).to.deep.equal([])
      clock.advance(1)
      expect(workers[0]!.kills).to.deep.equal(['SIGKILL'])
      expect(await isDone(stopped)).to.equal(true)
    })

    it('orders what is left to close at a second signal', async () => {
      const { clock, pool, workers } = setUp(1)
      workers[0]!.ready()
      const stopped = pool.stop()
      pool.stopNow()
      expect(workers[0]!.sent.at(-1)).to.deep.equal({ kind: 'close' })
      clock.advance(3000)
      expect(workers[0]!.kills).to.deep.equal(['SIGKILL'])
      expect(await isDone(stopped)).to.equal(true)
    })

    it('kills at once what has not said anything yet', async () => {
      const { pool, workers } = setUp(1)
      expect(await isDone(pool.stop())).to.equal(true)
      expect(workers[0]!.kills).to.deep.equal(['SIGKILL'])
    })

    it('does not start the successor of a worker that had died before', async () => {
      const { clock, pool, workers } = setUp(1)
      workers[0]!.exit(1, null)
      expect(await isDone(pool.stop())).to.equal(true)
      clock.advance(60_000)
      expect(workers).to.have.length(1)
    })
  })

  describe('when only the certificate is new', () => {
    const WITH = { exceptCertificate: 'x', setup: { tls: 'old' } }

    it('gives it to every worker, also to one that starts later, and replaces none', () => {
      const { clock, pool, workers } = setUp(2, WITH)
      for (const worker of workers) worker.ready()
      const next = generation({ ...WITH, setup: { tls: 'new' }, workers: 2 })
      expect(pool.renewCertificate(next)).to.equal(true)
      for (const worker of workers)
        expect(worker.sent.at(-1)).to.deep.equal({ kind: 'certificate', setup: { tls: 'new' } })
      expect(workers).to.have.length(2)
      workers[0]!.exit(1, null)
      clock.advance(1_000)
      workers[2]!.say({ kind: 'hello' })
      expect(workers[2]!.sent.at(-1)).to.deep.include({ kind: 'setup', setup: { tls: 'new' } })
      expect(pool.renewCertificate(next), 'nothing is new now').to.equal(false)
    })

    it('leaves workers to be replaced where more is new, or that is not known', () => {
      for (const [before, after] of [
        [WITH, { exceptCertificate: 'y', setup: { tls: 'new' } }],
        [WITH, { ...WITH, setup: { tls: 'new' }, version: '9.9.9' }],
        [WITH, { ...WITH, setup: { tls: 'new' }, workers: 3 }],
        [WITH, WITH],
        [{ setup: { tls: 'old' } }, { setup: { tls: 'new' } }],
      ]) {
        const { pool, workers } = setUp(2, before)
        for (const worker of workers) worker.ready()
        expect(pool.renewCertificate(generation({ workers: 2, ...after }))).to.equal(false)
        expect(workers.every(({ sent }) => sent.every(({ kind }) => kind !== 'certificate'))).to.equal(true)
      }
    })
  })

  describe('when its workers are replaced', () => {
    it('starts one new worker, and drains the old one only when the new one serves, at the rate of the host', async () => {
      const { pool, workers } = setUp(2)
      for (const worker of workers) worker.ready()
      const outcome = outcomeOf(pool.replace(generation(NEXT)))
      expect(workers).to.have.length(3)
      const [first, second, successor] = workers as [FakeWorker, FakeWorker, FakeWorker]
      successor.say({ kind: 'hello' })
      expect(successor.sent).to.deep.equal([
        { kind: 'setup', setup: { config: 'new' }, place: { slot: 0, successor: true } },
      ])
      successor.say({ kind: 'missing', missing: ['Redis'] })
      await settle()
      expect(first.sent.map(({ kind }) => kind)).to.deep.equal(['setup'])

      successor.say({ kind: 'missing', missing: [] })
      expect(first.sent.at(-1)).to.deep.equal({
        kind: 'drain',
        order: { ratePerSecond: 200, timeoutMs: 30_000, toSuccessor: true },
      })
      await settle()
      expect(workers, 'the second one waits for the end of the first').to.have.length(3)
      expect(second.sent.map(({ kind }) => kind)).to.deep.equal(['setup'])

      first.exit(0, null)
      await settle()
      expect(workers).to.have.length(4)
      workers[3]!.ready()
      second.exit(0, null)
      await settle()
      expect(outcome.ended).to.equal('done')
      expect(workers.map(({ running }) => running)).to.deep.equal([false, false, true, true])
    })

    it('serves and counts all the while, and starts nothing in the place of an old one', async () => {
      const { clock, pool, workers, running, serving, restarts } = setUp(1)
      workers[0]!.ready()
      void pool.replace(generation({ ...NEXT, workers: 1 }))
      expect([running(), serving()]).to.deep.equal([2, 1])
      expect(pool.notReadyReasons()).to.deep.equal([])
      workers[1]!.ready()
      workers[0]!.say({ kind: 'missing', missing: ['draining'] })
      expect([running(), serving()]).to.deep.equal([2, 1])
      expect(pool.notReadyReasons()).to.deep.equal([])
      workers[0]!.exit(1, null)
      clock.advance(60_000)
      await settle()
      expect([running(), serving(), workers.length]).to.deep.equal([1, 1, 2])
      expect(restarts).to.deep.equal([])
    })

    it('kills an old worker that outlives its drain', async () => {
      const { clock, pool, workers } = setUp(1)
      workers[0]!.ready()
      const outcome = outcomeOf(pool.replace(generation({ ...NEXT, workers: 1 })))
      workers[1]!.ready()
      clock.advance(32_999)
      expect(workers[0]!.kills).to.deep.equal([])
      clock.advance(1)
      await settle()
      expect(workers[0]!.kills).to.deep.equal(['SIGKILL'])
      expect(outcome.ended).to.equal('done')
    })

    const failures: readonly [string, (worker: FakeWorker, clock: FakeClock) => void, RegExp][] = [
      ['ends at its start', (worker) => worker.exit(1, null), /ended before it was ready \(status 1\)/],
      ['is killed', (worker) => worker.exit(null, 'SIGKILL'), /ended before it was ready \(signal SIGKILL\)/],
      [
        'cannot serve',
        (worker) => worker.say({ kind: 'fatal', line: 'the port is in use', status: 1 }),
        /the port is in use/,
      ],
      ['says nothing', (_, clock) => clock.advance(READY_MS_MAX), /not ready after 20 s: worker is starting/],
      [
        'never serves',
        (worker, clock) => {
          worker.say({ kind: 'missing', missing: ['Redis'] })
          for (let ms = 0; ms < READY_MS_MAX; ms += 1000) {
            worker.say({ kind: 'metrics', snapshot: [] })
            clock.advance(1000)
          }
        },
        /not ready after 20 s: Redis/,
      ],
    ]
    for (const [what, fail, why] of failures)
      it(`leaves the old one as it was when the new one ${what}`, async () => {
        const { clock, pool, workers, running, restarts } = setUp(2)
        for (const worker of workers) worker.ready()
        const outcome = outcomeOf(pool.replace(generation(NEXT)))
        fail(workers[2]!, clock)
        await settle()
        expect(outcome.ended).to.match(why)
        expect(workers.map((worker) => worker.running)).to.deep.equal([true, true, false])
        expect(workers[0]!.sent.map(({ kind }) => kind)).to.deep.equal(['setup'])
        expect(running()).to.equal(2)
        expect(restarts).to.deep.equal([])
        // It is still replaced by its like when it dies.
        workers[0]!.exit(1, null)
        clock.advance(1000)
        workers[3]!.say({ kind: 'hello' })
        expect(workers[3]!.sent).to.deep.include({
          kind: 'setup',
          setup: { config: 'old' },
          place: { slot: 0, successor: false },
        })
      })

    it('says how far it came when a later one fails, and leaves that one as it was', async () => {
      const { pool, workers } = setUp(2)
      for (const worker of workers) worker.ready()
      const outcome = outcomeOf(pool.replace(generation(NEXT)))
      workers[2]!.ready()
      workers[0]!.exit(0, null)
      await settle()
      workers[3]!.exit(1, null)
      await settle()
      expect(outcome.ended).to.match(/1 of 2 are already new/)
      expect(workers.map(({ running }) => running)).to.deep.equal([false, true, true, false])
    })

    it('starts a new one in the place of a dead one at once, by the new generation', async () => {
      const { clock, pool, workers } = setUp(1)
      for (let i = 0; i < 8; i++) {
        workers.at(-1)!.exit(1, null)
        if (i < 7) clock.advance(30_000)
      }
      const count = workers.length
      const outcome = outcomeOf(pool.replace(generation({ ...NEXT, workers: 1 })))
      expect(workers).to.have.length(count + 1)
      workers.at(-1)!.ready()
      await settle()
      expect(outcome.ended).to.equal('done')
      clock.advance(60_000)
      expect(workers, 'the restart of the dead one is called off').to.have.length(count + 1)
      workers.at(-1)!.exit(1, null)
      clock.advance(100)
      workers.at(-1)!.say({ kind: 'hello' })
      expect(workers.at(-1)!.sent[0]).to.deep.include({ setup: { config: 'new' } })
    })

    it('goes on starting a crashing one anew when its successor fails too', async () => {
      const { clock, pool, workers } = setUp(1)
      workers[0]!.exit(1, null)
      const outcome = outcomeOf(pool.replace(generation({ ...NEXT, workers: 1 })))
      workers[1]!.exit(1, null)
      await settle()
      expect(outcome.ended).to.match(/ended before it was ready/)
      clock.advance(100)
      expect(workers).to.have.length(3)
      workers[2]!.say({ kind: 'hello' })
      expect(workers[2]!.sent[0]).to.deep.include({ setup: { config: 'old' } })
    })

    it('adds workers when there are to be more', async () => {
      const { pool, workers, running } = setUp(1)
      workers[0]!.ready()
      const outcome = outcomeOf(pool.replace(generation({ ...NEXT, workers: 3 })))
      workers[1]!.ready()
      workers[0]!.exit(0, null)
      for (const n of [2, 3]) {
        await settle()
        expect(workers).to.have.length(n + 1)
        workers[n]!.say({ kind: 'hello' })
        expect(workers[n]!.sent[0]).to.deep.include({ place: { slot: n - 1, successor: true } })
        workers[n]!.ready()
      }
      await settle()
      expect(outcome.ended).to.equal('done')
      expect(running()).to.equal(3)
    })

    it('does not keep the place of an added one that fails', async () => {
      const { clock, pool, workers, running } = setUp(1)
      workers[0]!.ready()
      const outcome = outcomeOf(pool.replace(generation(NEXT)))
      workers[1]!.ready()
      workers[0]!.exit(0, null)
      await settle()
      workers[2]!.exit(1, null)
      await settle()
      expect(outcome.ended).to.match(/1 of 2 are already new/)
      clock.advance(60_000)
      expect([running(), workers.length]).to.deep.equal([1, 3])
    })

    it('drains those that are too many when there are to be fewer', async () => {
      const { clock, pool, workers, running, restarts } = setUp(3)
      for (const worker of workers) worker.ready()
      const outcome = outcomeOf(pool.replace(generation({ ...NEXT, workers: 1 })))
      workers[3]!.ready()
      workers[0]!.exit(0, null)
      await settle()
      expect(workers[2]!.sent.at(-1)).to.deep.include({ kind: 'drain' })
      expect(workers[1]!.sent.map(({ kind }) => kind)).to.deep.equal(['setup'])
      workers[2]!.exit(0, null)
      await settle()
      workers[1]!.exit(0, null)
      await settle()
      expect(outcome.ended).to.equal('done')
      clock.advance(60_000)
      expect([running(), workers.length]).to.deep.equal([1, 4])
      expect(restarts).to.deep.equal([])
    })

    it('gives up at a stop: the new one ends, all others drain, and the stop waits for every one', async () => {
      const { clock, pool, workers } = setUp(2)
      for (const worker of workers) worker.ready()
      const outcome = outcomeOf(pool.replace(generation(NEXT)))
      workers[2]!.say({ kind: 'missing', missing: ['Redis'] })
      const stopped = pool.stop()
      expect(workers.map(({ kills }) => kills)).to.deep.equal([[], [], ['SIGKILL']])
      for (const old of workers.slice(0, 2))
        expect(old.sent.at(-1)).to.deep.include({ order: { ratePerSecond: 100, timeoutMs: 30_000 } })
      workers[0]!.exit(0, null)
      expect(await isDone(stopped)).to.equal(false)
      workers[1]!.exit(0, null)
      expect(await isDone(stopped)).to.equal(true)
      expect(outcome.ended).to.match(/ReplacementError/)
      clock.advance(60_000)
      expect(workers).to.have.length(3)
    })

    it('waits at a stop for an old one that drains already, and replaces no further one', async () => {
      const { pool, workers } = setUp(2)
      for (const worker of workers) worker.ready()
      const outcome = outcomeOf(pool.replace(generation(NEXT)))
      workers[2]!.ready()
      expect(workers[0]!.sent.at(-1)).to.deep.nested.include({ 'order.toSuccessor': true })
      const stopped = pool.stop()
      expect(workers[0]!.sent.at(-1), 'hands over no more').to.not.have.nested.property('order.toSuccessor')
      workers[1]!.exit(0, null)
      workers[2]!.exit(0, null)
      expect(await isDone(stopped)).to.equal(false)
      pool.stopNow()
      expect(workers[0]!.sent.at(-1)).to.deep.equal({ kind: 'close' })
      workers[0]!.exit(0, null)
      expect(await isDone(stopped)).to.equal(true)
      expect(outcome.ended).to.match(/ReplacementError/)
      expect(workers).to.have.length(3)
    })
  })

  describe('with a delay before the drain', () => {
    const DELAYED = { drain: { ratePerSecond: 200, timeoutMs: 30_000, delayMs: 5000 } }

    it('is not ready at once, and drains when load balancers have had the time to see it', async () => {
      const { clock, pool, workers } = setUp(1, DELAYED)
      workers[0]!.ready()
      const stopped = pool.stop()
      expect(pool.notReadyReasons()).to.deep.equal(['draining'])
      clock.advance(4999)
      expect(workers[0]!.sent.map(({ kind }) => kind)).to.deep.equal(['setup'])
      clock.advance(1)
      expect(workers[0]!.sent.at(-1)).to.deep.include({ kind: 'drain' })
      workers[0]!.exit(0, null)
      expect(await isDone(stopped)).to.equal(true)
    })

    it('does not wait for it at a second signal', async () => {
      const { clock, pool, workers } = setUp(1, DELAYED)
      workers[0]!.ready()
      const stopped = pool.stop()
      pool.stopNow()
      expect(workers[0]!.sent.map(({ kind }) => kind)).to.deep.equal(['setup', 'drain', 'close'])
      workers[0]!.exit(0, null)
      clock.advance(60_000)
      expect(await isDone(stopped)).to.equal(true)
    })
  })

  it('goes on, once it has served, when a worker says that it cannot serve: that one backs off', async () => {
    const { clock, pool, workers, restarts, entries } = setUp(2)
    for (const worker of workers) worker.ready()
    workers[0]!.exit(1, null)
    clock.advance(100)
    workers[2]!.say({ kind: 'fatal', line: 'log_file: cannot open', status: 78 })
    let failed = false
    pool.failed.catch(() => (failed = true))
    await settle()
    expect(failed).to.equal(false)
    expect(workers[2]!.kills).to.deep.equal(['SIGKILL'])
    expect(entries.some(({ why }) => why === 'log_file: cannot open')).to.equal(true)
    clock.advance(200)
    expect(workers).to.have.length(4)
    expect(restarts).to.deep.equal(['error', 'signal'])
  })

  it('fails as a whole when a worker says that none can serve', async () => {
    const { pool, workers } = setUp()
    workers[0]!.say({ kind: 'fatal', line: 'cannot listen on 127.0.0.1:9502', status: 1 })
    const error: unknown = await pool.failed.catch((reason: unknown) => reason)
    expect(error).to.be.instanceOf(StartupError).with.property('message', 'cannot listen on 127.0.0.1:9502')
  })
})
