import { existsSync, readFileSync, renameSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { Cluster, type EdgeHost } from '../support/cluster.js'
import { temporaryDirectory } from '../support/guard.mjs'
import type { Program } from '../support/program.mjs'
import { sleep, waitFor } from '../support/wait.mjs'

const INSPECTOR_PORT = 9229
const REOPENED = 'log_file opened anew'

describe('signals to the programs', function () {
  this.timeout(60_000)
  let cluster: Cluster
  let edge: EdgeHost
  let ingest: Program
  let edgeLog: string
  let ingestLog: string

  before(async () => {
    const directory = await temporaryDirectory('logs')
    edgeLog = join(directory, 'edge.log')
    ingestLog = join(directory, 'ingest.log')
    cluster = await Cluster.start({ name: 'log-signals', edges: 0, ingests: 0, workers: 2 })
    ingest = await cluster.startIngest({ log_file: ingestLog })
    edge = await cluster.startEdge({ log_file: edgeLog })
  })
  after(() => cluster.stop())

  /** Pids that have written `text` to a log. */
  function writers(file: string, text: string): number[] {
    const lines = read(file).trim().split('\n')
    const entries = lines
      .filter((line) => line.includes(text))
      .map((line) => JSON.parse(line) as { pid: number })
    return [...new Set(entries.map(({ pid }) => pid))].sort()
  }

  function workers(): number[] {
    const started = read(edgeLog).matchAll(/"workerPid":(\d+),"msg":"worker started"/g)
    return [...started].map(([, pid]) => Number(pid))
  }

  function awaitWriters(file: string, text: string, pids: readonly number[]): Promise<unknown> {
    const expected = [...pids].sort()
    return waitFor(() => JSON.stringify(writers(file, text)) === JSON.stringify(expected), {
      what: `${text} by ${expected.join()}`,
    })
  }

  it('SIGUSR1 to the primary, and to the ingest, has all processes go on in a new log file', async () => {
    const all = [edge.program.pid, ...workers()]
    expect(all).to.have.length(3)
    renameSync(edgeLog, `${edgeLog}.1`)
    renameSync(ingestLog, `${ingestLog}.1`)
    edge.program.kill('SIGUSR1')
    ingest.kill('SIGUSR1')
    await awaitWriters(edgeLog, REOPENED, all)
    await awaitWriters(ingestLog, REOPENED, [ingest.pid])
    const old = read(`${edgeLog}.1`)
    edge.program.kill('SIGUSR2')
    await awaitWriters(edgeLog, 'SIGUSR2', [edge.program.pid])
    expect(read(`${edgeLog}.1`)).to.equal(old)
  })

  it('to a worker alone, or to the whole group, it does the same', async () => {
    const all = writers(edgeLog, REOPENED)
    const [worker] = all.filter((pid) => pid !== edge.program.pid)
    renameSync(edgeLog, `${edgeLog}.2`)
    process.kill(worker!, 'SIGUSR1')
    await waitFor(() => read(edgeLog).includes(REOPENED))
    expect(writers(edgeLog, REOPENED)).to.deep.equal([worker])
    edge.program.killGroup('SIGUSR1')
    await awaitWriters(edgeLog, REOPENED, all)
  })

  it('SIGUSR2 is logged and changes nothing, and no signal opens an inspector', async () => {
    const all = writers(edgeLog, REOPENED)
    const client = cluster.connect(cluster.auth.mint().token)
    await client.opened
    for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
      edge.program.killGroup(signal)
      ingest.killGroup(signal)
    }
    await awaitWriters(edgeLog, 'SIGUSR2', all)
    await awaitWriters(ingestLog, 'SIGUSR2', [ingest.pid])
    expect(await isOpen(INSPECTOR_PORT)).to.equal(false)
    expect(edge.program.logs() + ingest.logs()).to.not.include('Debugger')
    expect(await edge.metric('workers_ready')).to.equal(2)
    client.socket.terminate()
  })

  it('nor while workers start, whose first hundredths of a second belong to Node', async () => {
    edge.program.kill('SIGHUP')
    for (let at = 0; at < 20; at++) {
      edge.program.killGroup('SIGUSR1')
      await sleep(30)
    }
    const serves = async () =>
      (await edge.metric('workers_ready')) === 2 && (await edge.metric('upgrade_in_progress')) === 0
    await waitFor(serves, { timeoutMs: 30_000, everyMs: 50, what: 'the workers' })
    expect(await isOpen(INSPECTOR_PORT)).to.equal(false)
    expect(edge.program.logs()).to.not.include('Debugger listening')
  })
})

/** Empty while there is no such file. */
function read(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('close', () => socket.destroy())
  })
}
