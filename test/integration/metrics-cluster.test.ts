import { expect } from 'chai'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { startGuarded } from '../support/guard.mjs'
import { freePort } from '../support/port.mjs'
import { sleep, waitFor } from '../support/wait.mjs'

const PRIMARY = fileURLToPath(new URL('./support/metrics-cluster/primary.ts', import.meta.url))

// Two processors may be shared by everything else that is being tested.
const START_TIMEOUT_MS = 40_000

describe('the metrics of a primary with real workers', function () {
  this.timeout(90_000)

  let primary: ReturnType<typeof startGuarded>
  let admin: number
  let service: number
  const stopped = new Set<number>()

  async function start({ workers = 2, drainTimeoutMs = 5000, ready = true } = {}): Promise<void> {
    admin ||= await freePort()
    service ||= await freePort()
    const args = [PRIMARY, admin, service, workers, drainTimeoutMs].map(String)
    primary = startGuarded(process.execPath, [...process.execArgv, ...args])
    if (ready) await waitFor(() => servesWith(workers), { timeoutMs: START_TIMEOUT_MS, what: 'all workers' })
  }

  beforeEach(() => {
    admin = service = 0
  })
  afterEach(async () => {
    for (const pid of stopped) signal(pid, 'SIGCONT')
    stopped.clear()
    primary.kill('SIGKILL')
    await primary.exit
    await waitFor(() => workerPids().every((pid) => !isRunning(pid)), { what: 'the end of the workers' })
  })

  const get = (port: number, path = '/') =>
    fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(3000) })
  const scrape = async () => (await get(admin, '/metrics')).text()
  const value = (body: string, name: string) =>
    Number(new RegExp(`^websocketd_${name.replace(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(body)?.[1])
  const servesWith = async (workers: number) => {
    try {
      return (await get(admin, '/readyz')).ok && value(await scrape(), 'alive') === workers
    } catch {
      return false
    }
  }
  /** The workers that were ever started, by the primary's log. */
  const workerPids = () =>
    [...primary.output().matchAll(/"workerPid":(\d+),"msg":"worker started"/g)].map(([, pid]) => Number(pid))
  const request = async () => Number(await (await get(service)).text())
  const isRunning = (pid: number) => signal(pid, 0) && !/^State:\s+Z/m.test(statusOf(pid))

  it('count what all workers did, deal requests out to all of them, and keep it all when one is killed', async () => {
    await start()
    const pids = new Set<number>()
    for (let i = 0; i < 40; i++) pids.add(await request())
    expect(pids.size).to.equal(2)
    await waitFor(async () => value(await scrape(), 'requests_total') === 40, { what: '40 requests' })

    const [victim] = workerPids()
    const killedAt = performance.now()
    process.kill(victim!, 'SIGKILL')
    // Scrapes without a pause: none may ever be below the one before it.
    let last = 40
    await waitFor(
      async () => {
        const body = await scrape()
        const now = value(body, 'requests_total')
        expect(now).to.be.at.least(last)
        expect(value(body, 'latency_seconds_count')).to.equal(now)
        last = now
        return /worker_restarts_total\{reason="signal"\} 1/.test(body) && workerPids().length === 3
      },
      { what: 'the restart' },
    )
    expect(performance.now() - killedAt).to.be.below(1000)
    await waitFor(() => servesWith(2), { timeoutMs: START_TIMEOUT_MS, what: 'both workers' })
    for (let i = 0; i < 10; i++) expect(await request()).to.not.equal(victim)
    await waitFor(async () => value(await scrape(), 'requests_total') === 50, { what: '50 requests' })
    expect(value(await scrape(), 'workers')).to.equal(2)
  })

  it('are answered at once while a worker hangs, with its last values', async () => {
    await start()
    for (let i = 0; i < 20; i++) await request()
    await waitFor(async () => value(await scrape(), 'requests_total') === 20, { what: '20 requests' })
    const [hung] = workerPids()
    process.kill(hung!, 'SIGSTOP')
    stopped.add(hung!)
    await sleep(1500)
    for (let i = 0; i < 5; i++) {
      const since = performance.now()
      const body = await scrape()
      expect(performance.now() - since).to.be.below(1000)
      expect(value(body, 'requests_total')).to.equal(20)
      expect(value(body, 'alive')).to.equal(2)
    }
    expect((await get(admin, '/readyz')).status).to.equal(200)
    await waitFor(async () => value(await scrape(), 'workers_hanging') === 1, {
      timeoutMs: 10_000,
      what: 'the hanging worker in the metrics',
    })
    const readiness = await get(admin, '/readyz')
    expect(readiness.status).to.equal(200)
    expect(await readiness.text()).to.equal(
      `ready\nremark: worker ${workerPids().indexOf(hung!)} does not answer\n`,
    )
    process.kill(hung!, 'SIGCONT')
    await waitFor(async () => value(await scrape(), 'workers_hanging') === 0, { what: 'its return' })
  })

  it('have the sessions of a worker that is killed among the closed ones, with 1006', async () => {
    await start({ workers: 1 })
    const STAYING = 3
    const staying = Array.from({ length: STAYING }, () =>
      fetch(`http://127.0.0.1:${service}/stay`).then(
        () => 'answered',
        () => 'cut',
      ),
    )
    await waitFor(async () => value(await scrape(), 'connections{version="2"}') === STAYING, {
      what: 'the sessions in the metrics',
    })
    expect(value(await scrape(), 'worker_connections{worker="0"}')).to.equal(STAYING)
    expect(value(await scrape(), 'connections_closed_total{code="1006"}')).to.equal(0)
    process.kill(workerPids()[0]!, 'SIGKILL')
    expect(await Promise.all(staying)).to.deep.equal(Array(STAYING).fill('cut'))
    await waitFor(() => servesWith(1), { timeoutMs: START_TIMEOUT_MS, what: 'the next worker' })
    const body = await scrape()
    expect(value(body, 'connections_opened_total{version="2"}')).to.equal(STAYING)
    expect(value(body, 'connections_closed_total{code="1006"}')).to.equal(STAYING)
    expect(value(body, 'connections{version="2"}')).to.equal(0)
  })

  it('tell of each process for itself how late its loop was, its files and its memory', async () => {
    await start()
    const body = await scrape()
    for (const worker of ['primary', '0', '1']) {
      expect(value(body, `open_fds{worker="${worker}"}`)).to.be.above(3)
      expect(value(body, `max_fds{worker="${worker}"}`)).to.be.above(
        value(body, `open_fds{worker="${worker}"}`),
      )
      expect(value(body, `resident_memory_bytes{worker="${worker}"}`)).to.be.above(10 << 20)
      expect(value(body, `event_loop_lag_seconds{worker="${worker}"}`)).to.be.at.least(0)
    }
    expect(Number(/^process_start_time_seconds (\d+)$/m.exec(body)?.[1])).to.be.closeTo(
      Date.now() / 1000,
      120,
    )
  })

  it('go when nothing hangs, and the readiness names a worker that does', async () => {
    await start({ workers: 1 })
    const [hung] = workerPids()
    process.kill(hung!, 'SIGSTOP')
    stopped.add(hung!)
    await waitFor(async () => (await get(admin, '/readyz')).status === 503, {
      timeoutMs: 10_000,
      what: 'status 503',
    })
    expect(await (await get(admin, '/readyz')).text()).to.equal(
      'not ready\nmissing: worker does not answer\nremark: worker 0 does not answer\n',
    )
    expect((await get(admin, '/healthz')).status).to.equal(200)
  })

  it('stay until the last worker has drained, and the program ends with status 0', async () => {
    await start({ drainTimeoutMs: 20_000 })
    for (let i = 0; i < 5; i++) await request()
    await waitFor(async () => value(await scrape(), 'requests_total') === 5, { what: '5 requests' })
    const staying = fetch(`http://127.0.0.1:${service}/stay`)
    await sleep(500)
    primary.kill('SIGTERM')
    await waitFor(async () => (await get(admin, '/readyz')).status === 503, { what: 'status 503' })
    expect(await (await get(admin, '/readyz')).text()).to.include('draining')
    await waitFor(async () => value(await scrape(), 'workers') === 1, { what: 'the end of the idle worker' })
    const body = await scrape()
    expect(value(body, 'requests_total')).to.equal(5)
    expect(value(body, 'draining')).to.equal(1)
    primary.kill('SIGTERM') // the second signal
    expect(await (await staying).text()).to.equal('going away')
    expect(await primary.exit).to.deep.equal({ code: 0, signal: null })
  })

  it('end with the program at the deadline, also when a worker hangs', async () => {
    await start({ drainTimeoutMs: 500 })
    const [hung] = workerPids()
    process.kill(hung!, 'SIGSTOP')
    const since = performance.now()
    primary.kill('SIGTERM')
    expect(await primary.exit).to.deep.equal({ code: 0, signal: null })
    expect(performance.now() - since).to.be.within(3000, 6000)
    expect(primary.output()).to.include('worker did not end in time: killed')
  })

  it('go with the workers when the primary is killed', async () => {
    await start()
    const pids = workerPids()
    expect(pids).to.have.length(2)
    primary.kill('SIGKILL')
    await primary.exit
    await waitFor(() => pids.every((pid) => !isRunning(pid)), {
      timeoutMs: 2000,
      what: 'the end of the workers',
    })
    expect(pids.some(isRunning)).to.equal(false)
  })

  it('are not touched by signals that only a worker gets', async () => {
    await start({ workers: 1 })
    const [pid] = workerPids()
    process.kill(pid!, 'SIGTERM')
    process.kill(pid!, 'SIGINT')
    process.kill(pid!, 'SIGHUP')
    await sleep(300)
    expect(await request()).to.equal(pid)
  })

  it('never drop while SIGHUP replaces the workers, and requests are answered all the while', async () => {
    await start()
    const old = workerPids()
    let requests = 0
    let last = 0
    primary.kill('SIGHUP')
    await waitFor(
      async () => {
        await request()
        requests++
        const now = value(await scrape(), 'requests_total')
        expect(now).to.be.within(last, requests)
        last = now
        return primary.output().includes('all workers are replaced')
      },
      { timeoutMs: 2 * START_TIMEOUT_MS, what: 'the upgrade' },
    )
    await waitFor(async () => value(await scrape(), 'requests_total') === requests, { what: 'all requests' })
    expect(workerPids()).to.have.length(4)
    expect(old.some(isRunning)).to.equal(false)
    expect(workerPids().slice(2).every(isRunning)).to.equal(true)
    expect(await scrape())
      .to.include('worker_restarts_total{reason="signal"} 0')
      .and.include('worker_restarts_total{reason="exit"} 0')
  })

  for (const [what, key] of [
    ['the service', 'websocket.port'],
    ['metrics', 'metrics.edge_port'],
  ] as const)
    it(`are not needed to say that the port of ${what} is in use: one line, and no restarts`, async () => {
      const port = await freePort()
      const squatter = createServer().listen(port, '127.0.0.1')
      try {
        if (key === 'websocket.port') service = port
        else admin = port
        await start({ ready: false })
        expect(await primary.exit).to.deep.equal({ code: 1, signal: null })
        const complaint = primary
          .output()
          .split('\n')
          .filter((line) => line.startsWith('primary: '))
        expect(complaint).to.have.length(1)
        expect(complaint[0]).to.include(`127.0.0.1:${port}: in use`).and.include(key)
        expect(primary.output()).to.not.include('starting another one')
      } finally {
        squatter.close()
      }
    })
})

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return 'State:\tZ (gone)\n'
  }
}
