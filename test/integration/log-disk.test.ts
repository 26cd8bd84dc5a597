import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { connect } from '../support/client.js'
import { Cluster, type EdgeHost } from '../support/cluster.js'
import { startGuarded, temporaryDirectory } from '../support/guard.mjs'
import { metric } from '../support/pages.js'
import { freePort } from '../support/port.mjs'
import { programCommand, type Program } from '../support/program.mjs'
import { sleep, waitFor } from '../support/wait.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LOST = 'lines of this log could not be written and are lost'
const DROPPED = 'log_lines_dropped_total'

describe('a disk that is full under the log', function () {
  this.timeout(60_000)
  let disk: string
  let cluster: Cluster
  let edge: EdgeHost
  let ingest: Program
  let ingestPort: number

  before(async function () {
    disk = await temporaryDirectory('disk')
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk], { stdio: 'ignore' })
    } catch {
      this.skip() // only root can mount
    }
    mkdirSync(join(disk, 'logs'))
    cluster = await Cluster.start({ name: 'log-disk', edges: 0, ingests: 0, workers: 1 })
  })
  after(async () => {
    await cluster.stop()
    execFileSync('umount', ['-l', disk])
  })

  const file = (name: string): string => join(disk, 'logs', name)

  const ballast = (): string => join(disk, 'ballast')

  function fill(): void {
    try {
      writeFileSync(ballast(), Buffer.alloc(1 << 20))
    } catch {
      // That is what it is for.
    }
  }

  /** Has every process log a line. */
  function provoke(): void {
    edge.program.killGroup('SIGUSR2')
    ingest.kill('SIGUSR2')
  }

  async function dropsLines(): Promise<void> {
    await waitFor(
      async () => {
        provoke()
        return (await edge.metric(DROPPED)) >= 2 && (await metric(ingestPort, DROPPED)) >= 1
      },
      { everyMs: 100, what: 'the metric' },
    )
  }

  async function saysSo(): Promise<void> {
    const pids = () =>
      ['edge.log', 'ingest.log'].flatMap((name) =>
        readFileSync(file(name), 'utf8')
          .split('\n')
          .filter((line) => line.includes(LOST))
          .map((line) => JSON.parse(line) as { dropped: number; pid: number })
          .filter(({ dropped }) => dropped > 0)
          .map(({ pid }) => pid),
      )
    await waitFor(() => new Set(pids()).size === 3, { what: 'a line of each process' })
  }

  it('does not keep the programs from starting', async () => {
    fill()
    const launched = await cluster.launchIngest({ log_file: file('ingest.log') })
    ingest = launched.program
    ingestPort = launched.port
    await ingest.ready(ingestPort, 40_000)
    edge = await cluster.startEdge({ log_file: file('edge.log') })
    await dropsLines()
    expect(await edge.metric('workers_ready')).to.equal(1)
  })

  it('takes no session, and a line says how many lines are lost when there is room again', async () => {
    const client = cluster.connect(cluster.auth.mint().token)
    await client.opened
    rmSync(ballast())
    await saysSo()
    fill()
    await dropsLines()
    edge.program.kill('SIGHUP')
    await waitFor(async () => (await edge.metric('upgrades_total', { result: 'success' })) === 1, {
      timeoutMs: 30_000,
    })
    rmSync(ballast())
    expect(client.socket.readyState).to.equal(1)
    client.socket.terminate()
  })

  it('nor does a directory that is gone: workers start, and the log goes on when it is back', async () => {
    renameSync(join(disk, 'logs'), join(disk, 'gone'))
    edge.program.killGroup('SIGUSR1')
    for (const pid of workers('gone')) process.kill(pid, 'SIGKILL')
    await waitFor(async () => (await edge.metric('worker_restarts_total')) === 1)
    await waitFor(async () => (await edge.metric('workers_ready')) === 1, { timeoutMs: 30_000 })
    expect(await edge.metric(DROPPED)).to.be.greaterThan(0)
    mkdirSync(join(disk, 'logs'))
    edge.program.kill('SIGUSR2')
    await waitFor(() => existsSync(file('edge.log')) && readFileSync(file('edge.log'), 'utf8').includes(LOST))
  })

  /** Pids of the workers that have not ended, by the log. */
  function workers(directory: string): number[] {
    const log = readFileSync(join(disk, directory, 'edge.log'), 'utf8')
    const all = (text: string) =>
      [...log.matchAll(new RegExp(`"workerPid":(\\d+),.*"msg":"${text}`, 'g'))].map(([, pid]) => Number(pid))
    const ended = all('worker ended')
    return all('worker started').filter((pid) => !ended.includes(pid))
  }
})

describe('standard output that cannot be written to', function () {
  this.timeout(60_000)
  let cluster: Cluster

  before(async () => {
    cluster = await Cluster.start({ name: 'log-stdout', edges: 0, workers: 1 })
  })
  after(() => cluster.stop())

  for (const [what, shell] of [
    ['of a full disk', 'exec "$0" "$@" > /dev/full'],
    ['whose reader is gone', 'mkfifo "$PIPE"; true < "$PIPE" & exec "$0" "$@" > "$PIPE"'],
    ['whose reader stands still', 'mkfifo "$PIPE"; sleep 60 < "$PIPE" & exec "$0" "$@" > "$PIPE"'],
  ] as const)
    it(`${what}: the edge serves, counts what is lost, and ends with status 0`, async () => {
      const directory = await temporaryDirectory('stdout')
      const [port, adminPort] = [await freePort(), await freePort()]
      const config = join(directory, 'config.yml')
      writeFileSync(config, JSON.stringify(cluster.edgeConfig(port, adminPort)))
      const { command, args } = programCommand('edge')
      const edge = startGuarded('/bin/sh', ['-c', shell, command, ...args, '-c', config], {
        cwd: ROOT,
        env: { ...process.env, PIPE: join(directory, 'pipe') },
      })
      const ready = () =>
        metric(adminPort, 'workers_ready').then(
          (workers) => workers === 1,
          () => false,
        )
      await waitFor(ready, { timeoutMs: 40_000, what: 'the edge' })
      const client = connect(`ws://127.0.0.1:${port}`, { token: cluster.auth.mint().token, version: 2 })
      await client.opened
      const drops = async () => {
        for (let at = 0; at < 50; at++) {
          process.kill(edge.pid, 'SIGUSR2') // each is a line
          await sleep(1)
        }
        return (await metric(adminPort, DROPPED)) > 10
      }
      await waitFor(drops, { timeoutMs: 20_000, what: 'lines to be dropped' })
      expect(client.socket.readyState).to.equal(1)
      edge.kill('SIGTERM')
      expect(await edge.exit).to.deep.equal({ code: 0, signal: null })
      expect((await client.closed).code).to.equal(1012)
    })
})
