import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { expect } from 'chai'
import { Cluster, edgeHost, type EdgeHost } from '../support/cluster.js'
import { freePort } from '../support/port.mjs'
import { startProgram } from '../support/program.mjs'
import { sleep, waitFor } from '../support/wait.mjs'

const START_MS_MAX = 30_000
const OPEN_FILES = 300
const SILENT = 900
/** More than a worker opens by itself within a test. */
const SPARE_FILES = 5
const NOTICED_MS_MAX = 5_000
const SERVED_MS_MAX = 5_000

describe('an edge that runs out of file descriptors', function () {
  this.timeout(90_000)

  let cluster: Cluster
  let sockets: Socket[] = []

  before(async () => {
    cluster = await Cluster.start({ name: 'open-files', edges: 0 })
  })
  afterEach(() => {
    for (const socket of sockets) socket.destroy()
    sockets = []
  })
  after(() => cluster.stop())

  const start = async (openFiles?: number): Promise<EdgeHost> => {
    const [port, adminPort] = [await freePort(), await freePort()]
    const config = cluster.edgeConfig(port, adminPort, { process_workers: 1 })
    const program = await startProgram('edge', { config, ...(openFiles === undefined ? {} : { openFiles }) })
    const edge = edgeHost(program, port, adminPort)
    cluster.edges.push(edge)
    await program.ready(adminPort, START_MS_MAX)
    return edge
  }

  const silent = (edge: EdgeHost, count: number): void => {
    for (let i = 0; i < count; i++) {
      const socket = connectTcp(edge.port, '127.0.0.1')
      socket.on('error', () => undefined)
      sockets.push(socket)
    }
  }

  /** Whether a client is let in now. */
  const served = async (edge: EdgeHost): Promise<boolean> => {
    const client = cluster.connect(cluster.auth.mint().token, {}, edge)
    const answer = await Promise.race([client.next().catch(() => null), sleep(500).then(() => null)])
    client.socket.terminate()
    return (answer as { op?: string } | null)?.op === 'init'
  }

  const descriptors = (pid: number) => readdirSync(`/proc/${pid}/fd`).length

  it(`from the start, by ${SILENT} silent connections: refuses the surplus, says so, and serves while they last`, async () => {
    const edge = await start(OPEN_FILES)
    const [worker] = edge.workerPids()
    expect(edge.program.logs()).to.include('do not fit into the open files')
    silent(edge, SILENT)
    await waitFor(
      async () => (await edge.metric('handshakes_rejected_total', { reason: 'too-many-connections' })) > 0,
      {
        timeoutMs: NOTICED_MS_MAX,
        what: 'the surplus to be counted',
      },
    )
    expect(descriptors(worker!)).to.be.below(OPEN_FILES)
    expect(descriptors(edge.program.pid), 'of the primary').to.be.below(100)
    for (const socket of sockets) socket.destroy()
    await waitFor(() => served(edge), {
      timeoutMs: SERVED_MS_MAX,
      everyMs: 100,
      what: 'a client to be served',
    })
    expect(edge.workerPids(), 'the same worker').to.deep.equal([worker])
  })

  it('while it runs: is not ready, says so, and serves within seconds once there are some again', async () => {
    const edge = await start()
    const [worker] = edge.workerPids()
    const limit = (files: number) => execFileSync('prlimit', ['--pid', String(worker), `--nofile=${files}:`])
    const before = descriptors(worker!)
    limit(before + SPARE_FILES)
    silent(edge, 50)
    await waitFor(() => edge.program.logs().includes('no free file descriptor'), {
      timeoutMs: NOTICED_MS_MAX,
      what: 'a line in the log',
    })
    expect(await edge.metric('workers_ready')).to.equal(0)
    expect(await served(edge)).to.equal(false)
    limit(before + 500)
    for (const socket of sockets) socket.destroy()
    await waitFor(() => served(edge), {
      timeoutMs: SERVED_MS_MAX,
      everyMs: 100,
      what: 'a client to be served',
    })
    await waitFor(async () => (await edge.metric('workers_ready')) === 1, {
      timeoutMs: NOTICED_MS_MAX,
      what: 'the worker to be ready again',
    })
    expect(edge.workerPids(), 'the same worker').to.deep.equal([worker])
  })
})
