/** One worker of the edge: puts the path of an event and the life of a session together. */
import '@wazo-websocketd/shared/runtime/early-signals'
import { effectiveLogLevel } from '@wazo-websocketd/shared/config/derived'
import { systemClock as clock } from '@wazo-websocketd/shared/runtime/clock'
import { handleLogSignals } from '@wazo-websocketd/shared/runtime/log-signals'
import { openLog } from '@wazo-websocketd/shared/runtime/logger'
import { messageOf, StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import type { Auth } from './auth/auth.js'
import type { ExpiryWorker } from './auth/expiry/queue-worker.js'
import { PROGRAM } from './config/program.js'
import { usableWorkerConfig, type WorkerConfig } from './config/worker-config.js'
import { ignoreGroupSignals, PrimaryLink } from './process/primary-link.js'
import type { Shutdown } from './process/shutdown.js'
import type { SocketServer } from './socket/server.js'
import { workerContext, type WorkerContext } from './worker/context.js'
import { Serving } from './worker/serving.js'
import { workerShutdown } from './worker/handover.js'
import { Notices } from './worker/notices.js'
import { workerRedis, type WorkerRedis } from './worker/redis.js'
import { Reporting } from './worker/reporting.js'
import { workerSockets } from './worker/sockets.js'
import { expiryWorker, workerAuth } from './worker/tokens.js'

/** Constructs the parts of a worker, starts and ends them. */
class EdgeWorker {
  private readonly context: WorkerContext
  private readonly link: PrimaryLink
  private readonly redis: WorkerRedis
  private readonly auth: Auth
  private readonly timers: ExpiryWorker
  private readonly serving: Serving
  private readonly sockets: SocketServer
  private readonly shutdown: Shutdown
  private readonly notices: Notices
  private readonly reporting: Reporting

  constructor(context: WorkerContext, link: PrimaryLink) {
    this.context = context
    this.link = link
    this.redis = workerRedis(context)
    const serviceReasons = (): readonly string[] => [
      ...this.serving.bus.notReadyReasons(),
      ...this.auth.notReadyReasons(),
    ]
    this.reporting = new Reporting({ context, link, serviceReasons, draining: () => this.shutdown.draining })
    const { update: readinessChanged } = this.reporting.readiness
    this.auth = workerAuth(context, this.redis, link, readinessChanged)
    this.timers = expiryWorker(context, this.redis, this.auth)
    this.serving = new Serving({
      ...{ context, redis: this.redis, auth: this.auth, readinessChanged },
      refusals: () => (this.shutdown.admitting ? serviceReasons() : ['draining']),
    })
    const { sessions } = this.serving
    this.sockets = workerSockets(context, sessions)
    this.shutdown = workerShutdown({
      ...{ context, sessions, sockets: this.sockets, began: readinessChanged },
      end: () => this.end(),
    })
    const { setup, database, log, counts } = context
    this.notices = new Notices({
      ...{ clock, log, database, unreadable: counts.bus.unreadable },
      prefix: setup.config.redis.prefix,
      leaveTogether: setup.config.drain.resume,
      connections: this.redis.bus,
      watcher: this.auth.watcher,
      shutdown: this.shutdown,
    })
  }

  /** Resolves when the worker listens. Rejects with one line that says what is wrong when it cannot. */
  async start(): Promise<void> {
    const { readiness } = this.reporting
    this.auth.start()
    this.timers.start()
    this.serving.bus.start()
    this.notices.start()
    this.reporting.watchDescriptors()
    this.link.handle(this.shutdown)
    this.link.takeCertificateBy((setup) => this.takeCertificate(setup as WorkerConfig))
    this.reporting.answerPrimary(this.serving, this.auth)
    readiness.update()
    await readiness.timeToListen(clock, this.context.place.successor)
    await this.sockets.listen()
    readiness.listens()
  }

  private takeCertificate({ tls }: WorkerConfig): void {
    if (tls === null) return
    this.sockets.renewCertificate(tls)
    this.context.log.info('new connections have the renewed certificate')
  }

  private async end(): Promise<void> {
    this.serving.tickets?.close()
    this.notices.close()
    this.serving.sessions.close()
    this.context.sessionLog.close()
    this.reporting.stop()
    this.serving.bus.stop()
    this.redis.bus.stop()
    await Promise.all([this.auth.stop(), this.timers.stop()])
    await this.link.finish()
  }
}

ignoreGroupSignals()
const link = new PrimaryLink(clock)
const { setup: given, place } = await link.receiveAssignment()
try {
  const setup = await usableWorkerConfig(given, process.argv.slice(2))
  const log = openLog({
    program: PROGRAM,
    level: effectiveLogLevel(setup.config),
    logFile: setup.config.log_file,
    format: setup.config.log_format,
    worker: place.slot,
    // The primary has opened it: whatever has become of it since, sessions go before the log.
    mustOpen: place.successor,
  })
  handleLogSignals(log.logger, log.reopen, process)
  link.reopenLogBy(log.reopen)
  await new EdgeWorker(workerContext(setup, place, { ...log, hostLog: link.hostLog }, clock), link).start()
} catch (error) {
  // A port in use, a log file that cannot be opened: no other worker would fare better.
  await link.fatal(messageOf(error), error instanceof StartupError ? error.status : 1)
}
