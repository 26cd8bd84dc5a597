import { expect } from 'chai'
import { startAuth } from '../support/auth.mjs'
import { authSection } from '../support/config.js'
import { freePort } from '../support/port.mjs'
import { startProgram } from '../support/program.mjs'
import { startRedis } from '../support/redis.mjs'
import { waitFor } from '../support/wait.mjs'

const WORKERS = 3
const START_MS_MAX = 40_000

describe('the master tenant, on an edge of three workers', function () {
  this.timeout(90_000)
  const closers: (() => unknown)[] = []
  let auth: Awaited<ReturnType<typeof startAuth>>
  let edge: Awaited<ReturnType<typeof startProgram>>

  before(async () => {
    const redis = await startRedis()
    closers.push(() => redis.stop())
    auth = await startAuth()
    closers.push(() => auth.stop())
    auth.set({ mode: 'down' })
    edge = await startProgram('edge', {
      config: {
        process_workers: WORKERS,
        auth: authSection(auth),
        redis: { url: redis.url, prefix: 'master-tenant' },
        websocket: { listen: '127.0.0.1', port: await freePort() },
        metrics: { listen: '127.0.0.1', edge_port: await freePort(), ingest_port: await freePort() },
      },
    })
    closers.push(() => edge.stop())
  })

  after(async () => {
    for (const close of closers.reverse()) await close()
  })

  const lines = (part: string): string[] =>
    edge
      .logs()
      .split('\n')
      .filter((line) => line.includes(part))

  /** Workers that have learned the master tenant so far, dead ones too. */
  const informed = (): number => lines('master tenant known').length

  it('is asked for by one of them, and known to all as soon as wazo-auth has answered', async () => {
    await waitFor(() => lines('worker started').length === WORKERS && auth.requests().tokens > 1, {
      timeoutMs: START_MS_MAX,
      what: 'a second question',
    })
    const slots = new Set(
      lines('gives no service token').map((line) => (JSON.parse(line) as { worker: number }).worker),
    )
    expect(slots.size, 'workers that ask').to.equal(1)
    auth.set({ mode: 'ok' })
    await waitFor(() => informed() > 0, { timeoutMs: START_MS_MAX, what: 'the first to know' })
    const asked = auth.requests().tokens
    // One that starts only now is told at once.
    await waitFor(() => informed() === WORKERS, { timeoutMs: START_MS_MAX, what: 'all to know' })
    expect(auth.requests().tokens).to.equal(asked)
  })

  it('is known to a worker that takes the place of a dead one, also while wazo-auth is away', async () => {
    auth.set({ mode: 'down' })
    const pids = lines('worker started').map((line) => (JSON.parse(line) as { workerPid: number }).workerPid)
    process.kill(pids[0]!, 'SIGKILL')
    await waitFor(() => informed() > WORKERS, { timeoutMs: START_MS_MAX, what: 'the new one to know' })
    expect(lines('worker ended unexpectedly')).to.have.length(1)
  })
})
