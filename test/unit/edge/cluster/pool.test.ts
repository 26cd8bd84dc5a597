import { MetricStore } from '@wazo-websocketd/edge/cluster/aggregate'
import type { PrimaryMessage } from '@wazo-websocketd/edge/cluster/messages'
import { WorkerPool, type RestartReason } from '@wazo-websocketd/edge/cluster/pool'
import type { WorkerProcess } from '@wazo-websocketd/edge/cluster/worker-process'
import { StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import { expect } from 'chai'
import { FakeClock } from '../../shared/runtime/fake-clock.js'
import { fakeLog } from '../../shared/runtime/fake-log.js'

class FakeWorker implements WorkerProcess {
  readonly id: number
  readonly pid: number
  readonly sent: PrimaryMessage[] = []
  readonly kills: string[] = []
  say: (message: unknown) => void = () => undefined
  exit: (code: number | null, signal: string | null) => void = () => undefined
  constructor(id: number) {
    this.id = id
    this.pid = 1000 + id
  }
  send(message: PrimaryMessage): void {
    this.sent.push(message)
  }
  kill(signal: 'SIGKILL'): void {
    this.kills.push(signal)
    this.exit(null, signal)
  }
  onMessage(listener: (message: unknown) => void): void {
    this.say = listener
  }
  onExit(listener: (code: number | null, signal: string | null) => void): void {
    this.exit = listener
  }
  /** It has told that it serves. */
  ready(): this {
    this.say({ kind: 'hello' })
    this.say({ kind: 'missing', missing: [] })
    return this
  }
}

function setUp(size = 2) {
  const clock = new FakeClock()
  const { logger } = fakeLog()
  const workers: FakeWorker[] = []
  const restarts: RestartReason[] = []
  const ahead: number[] = []
  let running = -1
  let serving = -1
  const pool = new WorkerPool({
    size,
    fork: () => {
      const worker = new FakeWorker(workers.length + 1)
      workers.push(worker)
      return worker
    },
    setup: (slot) => ({ slot }),
    drainRatePerSecond: 200,
    drainTimeoutMs: 30_000,
    store: new MetricStore(),
    authAhead: (ms) => void ahead.push(ms),
    metrics: {
      workers: (n) => void (running = n),
      ready: (n) => void (serving = n),
      restarted: (reason) => void restarts.push(reason),
    },
    clock,
    logger,
    random: () => 0,
  })
  pool.failed.catch(() => undefined)
  pool.start()
  return { clock, pool, workers, restarts, ahead, running: () => running, serving: () => serving }
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
    expect(workers[2]!.sent).to.deep.equal([{ kind: 'setup', setup: { slot: 2 } }])
    expect(workers[0]!.sent).to.deep.equal([])
  })

  it("passes on what its workers know of wazo-auth's clock", () => {
    const { workers, ahead } = setUp(2)
    workers[0]!.say({ kind: 'clock', aheadMs: -300_000 })
    workers[1]!.say({ kind: 'clock', aheadMs: 'soon' })
    workers[1]!.say({ kind: 'clock', aheadMs: 12 })
    expect(ahead).to.deep.equal([-300_000, 12])
  })

  it('ignores messages of others', () => {
    const { workers } = setUp(1)
    workers[0]!.say({ type: 'prom-client:getMetricsRes' })
    expect(workers[0]!.sent).to.deep.equal([])
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
      expect(workers[2]!.sent).to.deep.equal([{ kind: 'setup', setup: { slot: 1 } }])
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
      expect(pool.missing()).to.deep.equal(['worker is starting'])
      workers[0]!.say({ kind: 'missing', missing: ['Redis', 'master tenant'] })
      workers[1]!.say({ kind: 'missing', missing: ['Redis'] })
      expect(pool.missing()).to.deep.equal(['Redis', 'master tenant'])
      workers[1]!.say({ kind: 'missing', missing: [] })
      expect(pool.missing()).to.deep.equal([])
    })

    it('not when the only ready worker hangs', () => {
      const { clock, pool, workers } = setUp(1)
      workers[0]!.ready()
      clock.advance(4000)
      workers[0]!.say({ kind: 'metrics', snapshot: [] })
      clock.advance(4000)
      expect(pool.missing()).to.deep.equal([])
      clock.advance(2000)
      expect(pool.missing()).to.deep.equal(['worker does not answer'])
    })

    it('not without workers, nor while draining', () => {
      const { pool, workers } = setUp(1)
      workers[0]!.ready().exit(1, null)
      expect(pool.missing()).to.deep.equal(['no worker is running'])
      void pool.stop()
      expect(pool.missing()).to.deep.equal(['draining'])
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

    it('kills what has not ended two seconds after the deadline', async () => {
      const { clock, pool, workers } = setUp(1)
      workers[0]!.ready()
      const stopped = pool.stop()
      clock.advance(31_999)
      expect(workers[0]!.kills).to.deep.equal([])
      clock.advance(1)
      expect(workers[0]!.kills).to.deep.equal(['SIGKILL'])
      expect(await isDone(stopped)).to.equal(true)
    })

    it('orders what is left to close at a second signal', async () => {
      const { clock, pool, workers } = setUp(1)
      workers[0]!.ready()
      const stopped = pool.stop()
      pool.hurry()
      expect(workers[0]!.sent.at(-1)).to.deep.equal({ kind: 'close' })
      clock.advance(2000)
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

  it('fails as a whole when a worker says that none can serve', async () => {
    const { pool, workers } = setUp()
    workers[0]!.say({ kind: 'fatal', line: 'cannot listen on 127.0.0.1:9502', status: 1 })
    const error: unknown = await pool.failed.catch((reason: unknown) => reason)
    expect(error).to.be.instanceOf(StartupError).with.property('message', 'cannot listen on 127.0.0.1:9502')
  })
})
