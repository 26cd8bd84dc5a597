/** The primary as a service: workers, their replacement, and the admin port. */
import { startAdminServer, type AdminServer } from '@wazo-websocketd/shared/runtime/admin-server'
import type { Service } from '@wazo-websocketd/shared/runtime/lifecycle'
import type { Log } from '@wazo-websocketd/shared/runtime/logger'
import type { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { startAdminSocket, type AdminSocket } from '@wazo-websocketd/shared/runtime/admin-socket'
import type { AdminRoutes } from '@wazo-websocketd/shared/runtime/admin-routes'
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import type { HostLog } from './host-log.js'
import type { MetricStore } from './metric-store.js'
import type { ServiceMetrics } from './metrics.js'
import type { WorkerPool } from './pool.js'
import type { Upgrades } from './upgrades.js'

/** A scrape waits no longer for workers: then it has the last that they have said. */
const METRICS_MS_MAX = 300

export interface PrimaryOptions {
  readonly pool: WorkerPool
  readonly upgrades: Upgrades
  readonly store: MetricStore
  /** The primary's own metrics. */
  readonly metrics: Metrics
  readonly log: Log
  readonly hostLog: Pick<HostLog, 'close'>
  /** `metrics.listen` and `metrics.edge_port`. */
  readonly adminHost: string
  readonly adminPort: number
  /** `admin.socket`; null: none. */
  readonly adminSocket: string | null
  /** What operators may ask. */
  readonly routes: AdminRoutes
  /** Rejects in one line when the port of clients cannot be had. */
  readonly checkPort: () => Promise<void>
  /** `draining`. */
  readonly draining: ServiceMetrics['draining']
}

/** Runs the primary: its workers, their replacement, and the admin port. */
export class PrimaryService implements Service {
  private readonly options: PrimaryOptions
  private admin: AdminServer | null = null
  private socket: AdminSocket | null = null

  readonly failed: Promise<never>

  constructor(options: PrimaryOptions) {
    this.options = options
    this.failed = options.pool.failed
  }

  /** The ports come first: when one is in use no worker needs to start. */
  async start(): Promise<void> {
    const { adminHost, adminPort, log, metrics, pool, store } = this.options
    this.options.draining(false)
    await this.options.checkPort()
    this.admin = await startAdminServer({
      host: adminHost,
      port: adminPort,
      keys: 'metrics.listen or metrics.edge_port',
      metrics: async () => {
        await pool.refreshMetrics(METRICS_MS_MAX)
        return store.exposition(await metrics.snapshot())
      },
      notReadyReasons: () => pool.notReadyReasons(),
      remarks: () => pool.remarks(),
      routes: this.options.routes,
    })
    await this.startSocket()
    log.logger.info({ host: adminHost, port: this.admin.port }, 'metrics and health listen')
    pool.start()
  }

  /** Metrics and health answer until the last worker has ended. */
  async stop(): Promise<void> {
    this.options.draining(true)
    this.options.upgrades.stop()
    await this.options.pool.stop()
    this.options.hostLog.close()
    await Promise.all([this.admin?.close(), this.socket?.close()])
  }

  /** A host serves its clients without it, so that a missing directory is no reason not to start. */
  private async startSocket(): Promise<void> {
    const { adminSocket, routes, log } = this.options
    if (adminSocket === null) return
    try {
      this.socket = await startAdminSocket(adminSocket, routes)
    } catch (error) {
      log.logger.warn(`${messageOf(error)}; wazo-websocketd-ctl cannot give orders to this host`)
    }
  }

  stopNow(): void {
    this.options.pool.stopNow()
  }

  reload(): void {
    this.options.upgrades.request()
  }

  /** Workers are told, because a rotation signals the main process only. */
  reopenLog(): void {
    this.options.log.reopen()
    this.options.pool.reopenLogs()
  }
}
