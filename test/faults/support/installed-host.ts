/** An edge host with an installation of its own, to be upgraded as an operator does it. */
import { freePort } from '../../support/port.mjs'
import type { Program } from '../../support/program.mjs'
import { waitFor } from '../../support/wait.mjs'
import { edgeHost, type Cluster, type EdgeHost } from '../../support/cluster.js'
import { Installation } from './installation.js'

const START_MS_MAX = 60_000
const UPGRADE_MS_MAX = 180_000
/** Above the longest drain of a test. */
const STOP_MS_MAX = 240_000

export class InstalledHost {
  readonly port: number
  readonly adminPort: number
  private readonly cluster: Cluster
  private readonly installation: Installation
  private running: Program | null = null
  /** Of the programs before the running one. */
  private earlierLogs = ''

  private constructor(cluster: Cluster, installation: Installation, port: number, adminPort: number) {
    this.cluster = cluster
    this.installation = installation
    this.port = port
    this.adminPort = adminPort
  }

  static async make(cluster: Cluster): Promise<InstalledHost> {
    const installation = await Installation.make()
    return new InstalledHost(cluster, installation, await freePort(), await freePort())
  }

  /** What runs, as tests ask it. */
  get edge(): EdgeHost {
    return edgeHost(this.program, this.port, this.adminPort)
  }

  /** Puts a version and a configuration on its disk; nothing takes notice by itself. */
  async install(version: string, config: Readonly<Record<string, unknown>>): Promise<void> {
    await this.installation.setVersion(version)
    await this.installation.configure(this.cluster.edgeConfig(this.port, this.adminPort, config))
  }

  /** Starts what is on its disk; resolves when `workers` serve. */
  async start(workers: number): Promise<void> {
    this.running = this.installation.start()
    await this.running.ready(this.adminPort, START_MS_MAX).catch(async (error: unknown) => {
      const answer = await fetch(`http://127.0.0.1:${this.adminPort}/readyz`)
      throw new Error(`not ready: ${await answer.text()}`, { cause: error })
    })
    await waitFor(async () => (await this.edge.metric('workers_ready')) === workers, {
      timeoutMs: START_MS_MAX,
      everyMs: 50,
      what: 'every worker to serve',
    })
  }

  /** SIGHUP; resolves when all workers are what is on the disk. */
  async reload(): Promise<void> {
    const { program } = this
    const upgrades = () => program.logs().split('all workers are replaced').length - 1
    const before = upgrades()
    program.kill('SIGHUP')
    const isOver = () => {
      if (program.logs().includes('the upgrade has failed')) throw new Error(program.logs().slice(-3000))
      return upgrades() > before
    }
    await waitFor(isOver, { timeoutMs: UPGRADE_MS_MAX, everyMs: 50, what: 'the upgrade' })
  }

  /** SIGTERM; resolves with the exit status when the program has ended by itself, with null when it was killed. */
  async drain(): Promise<number | null> {
    const { program } = this
    const { code } = await program.stop('SIGTERM', STOP_MS_MAX)
    this.earlierLogs += program.logs()
    this.running = null
    return code
  }

  /** The version that its workers say they are of. */
  async version(): Promise<string | undefined> {
    const text = await (await fetch(`http://127.0.0.1:${this.adminPort}/metrics`)).text()
    return /^websocketd_build_info\{version="(\S+)"\} 1$/m.exec(text)?.[1]
  }

  logs(): string {
    return this.earlierLogs + (this.running?.logs() ?? '')
  }

  async stop(): Promise<void> {
    await this.running?.stop('SIGTERM', 3000)
  }

  private get program(): Program {
    if (this.running === null) throw new Error('the host does not run')
    return this.running
  }
}
