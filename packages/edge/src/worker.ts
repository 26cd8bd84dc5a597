/** One worker of the edge: puts the path of an event and the life of a session together. */
import '@wazo-websocketd/shared/runtime/early-signals'
import { systemClock as clock } from '@wazo-websocketd/shared/runtime/clock'
import { effectiveLogLevel } from '@wazo-websocketd/shared/config/derived'
import { redisDatabase } from '@wazo-websocketd/shared/redis/url'
import { openLog, type Log, type Logger } from '@wazo-websocketd/shared/runtime/logger'
import { handleLogSignals } from '@wazo-websocketd/shared/runtime/log-signals'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { RateLimitedLog } from '@wazo-websocketd/shared/runtime/rate-limited-log'
import type { HostPort } from '@wazo-websocketd/shared/runtime/host-port'
import { RedisFactory, type RedisClient } from '@wazo-websocketd/shared/redis/client'
import { RedisConnections } from '@wazo-websocketd/shared/redis/connections'
import { RedisNodes } from '@wazo-websocketd/shared/redis/nodes'
import { drainChannel } from '@wazo-websocketd/shared/redis/layout'
import { programVersion } from '@wazo-websocketd/shared/runtime/version'
import { messageOf, StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import { RecentLosses } from './admin/recent-losses.js'
import { WorkerAnswers } from './admin/worker-answers.js'
import { hashTag, hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { Auth } from './auth/auth.js'
import { ExpiryWorker } from './auth/expiry/queue-worker.js'
import { decodeExpiryNotice, expiryNoticeChannel } from './auth/expiry/notice.js'
import { RedisBus } from './bus/bus.js'
import type { WorkerAssignment } from './process/messages.js'
import { HandoverReceiver } from './handover/receiver.js'
import { primaryChannel } from './handover/channel.js'
import { HandoverSender } from './handover/sender.js'
import { logMetrics } from './process/metrics.js'
import { ignoreGroupSignals, PrimaryLink } from './process/primary-link.js'
import { consoleHandler } from './console/console.js'
import { receiveConnection } from './handover/hand-over.js'
import { connectionRoom, type ConnectionRoom } from './config/connection-room.js'
import { sessionLimits, socketLimits } from './config/limits.js'
import { PROGRAM } from './config/program.js'
import { workerMetrics, type WorkerMetrics } from './prometheus.js'
import { decodeDrainNotice } from './drain/drain-notice.js'
import { RedisTickets } from './drain/redis-tickets.js'
import { SubscriptionIndex } from './route/subscription-index.js'
import { Router } from './route/router.js'
import { FanOut } from './deliver/fan-out.js'
import { DescriptorCheck } from './process/descriptor-check.js'
import { openFilesMax } from './process/open-files.js'
import { Readiness } from './process/readiness.js'
import { Shutdown } from './process/shutdown.js'
import { FrameBytes } from './deliver/frame.js'
import { SessionLog } from './session/session-log.js'
import { Sessions } from './session/sessions.js'
import { usableWorkerConfig, type WorkerConfig } from './config/worker-config.js'
import { createSocketServer, type SocketServer } from './socket/server.js'

/** How long the bus's connections may take to be ready; so much longer for each sentinel that may be gone. */
const READY_MS_MAX = 3_000
const SENTINEL_MS = 2_000
/** In a cluster a node that does not answer may be on its way to be replaced. */
const NODE_READY_MS_MAX = 1_500
const EXPIRY_CONNECTION = 'expiry'
/** As soon as on the bus's connections a vanished Redis is noticed. */
const EXPIRY_SILENT_MS_MAX = 3_000
const TIMERS_CONNECTION = 'expiry-worker'
/** Above the 10 s for which BullMQ lets Redis wait for a job before it answers. */
const TIMERS_SILENT_MS_MAX = 12_000

/** Connections of this file's own. */
const OWN_CONNECTIONS: ReadonlySet<string> = new Set([EXPIRY_CONNECTION, TIMERS_CONNECTION])

/** Of the soft limit: a session that catches up with the bus stays well below it, whatever a page of the log holds. */
const REPLAY_BUFFER_SHARE = 4

class EdgeWorker {
  private readonly setup: WorkerConfig
  private readonly room: ConnectionRoom
  private readonly place: WorkerAssignment
  private readonly link: PrimaryLink
  private readonly log: Logger
  private readonly warnings: RateLimitedLog
  private readonly sessionLog: SessionLog
  private readonly index = new SubscriptionIndex()
  private readonly metrics: Metrics
  private readonly counts: WorkerMetrics
  private readonly frameBytes = new FrameBytes()
  private readonly redis: RedisFactory
  private readonly connections: RedisConnections
  private readonly expiry: RedisClient
  private readonly auth: Auth
  /** This worker's share in the cluster's timers. */
  private readonly timers: ExpiryWorker
  private readonly bus: RedisBus
  private readonly router: Router
  private readonly tickets: RedisTickets | null
  private readonly sessions: Sessions
  private readonly sockets: SocketServer
  private readonly fanOut: FanOut
  private readonly receiver: HandoverReceiver
  private readonly shutdown: Shutdown
  private readonly descriptors: DescriptorCheck
  private readonly readiness: Readiness
  private readonly losses = new RecentLosses()

  constructor(
    setup: WorkerConfig,
    place: WorkerAssignment,
    link: PrimaryLink,
    { logger: log, droppedLines }: Log,
  ) {
    this.setup = setup
    this.place = place
    this.link = link
    this.log = log
    this.metrics = new Metrics({ worker: `${place.slot}` })
    this.counts = workerMetrics(this.metrics, `${place.slot}`)
    logMetrics(this.metrics, droppedLines)
    this.warnings = new RateLimitedLog(log, clock)
    this.sessionLog = new SessionLog({
      sessions: setup.config.log_sessions,
      tagOf: (token) => hashTag(hashToken(token)),
      clock,
      log,
      hostLog: link.hostLog,
    })
    this.room = this.fitConnections()
    this.readiness = new Readiness(
      () => this.notReadyReasons(),
      (reasons) => link.reportNotReady(reasons),
    )
    this.router = new Router({
      index: this.index,
      accessScope: setup.config.bus.access_scope,
      metrics: this.counts.route,
    })
    this.redis = this.makeRedis()
    this.connections = this.makeConnections()
    this.expiry = this.redis.create(EXPIRY_CONNECTION, { failFast: true, silentMsMax: EXPIRY_SILENT_MS_MAX })
    this.auth = new Auth({
      config: setup.config,
      workers: setup.workers,
      redis: this.expiry,
      clock,
      logger: log,
      hostLog: link.hostLog,
      metrics: this.counts.auth,
      sharing: link,
      clients: this.sessionLog.unserved,
      intern: this.index.intern,
      masterTenantChanged: this.readiness.update,
    })
    this.timers = this.makeTimers()
    this.bus = this.makeBus()
    this.tickets = this.makeTickets()
    this.sessions = this.makeSessions()
    this.sockets = this.makeSockets()
    this.fanOut = new FanOut({
      router: this.router,
      verdicts: this.auth.lookups,
      sessions: this.sessions,
      clock,
      metrics: this.counts.route,
    })
    this.receiver = this.makeReceiver()
    this.shutdown = this.makeShutdown()
    this.descriptors = new DescriptorCheck({
      clock,
      changed: (exhausted) => this.descriptorsChanged(exhausted),
    })
  }

  /** Resolves when the worker listens. Rejects with one line that says what is wrong when it cannot. */
  async start(): Promise<void> {
    this.auth.start()
    this.timers.start()
    this.bus.start()
    const { prefix } = this.setup.config.redis
    const notices = expiryNoticeChannel(prefix, this.database)
    this.connections.subscribe(notices, { message: (bytes) => this.onExpiryNotice(bytes) })
    const drains = drainChannel(prefix, this.database)
    if (this.tickets !== null)
      this.connections.subscribe(drains, { message: (bytes) => this.onDrainNotice(bytes) })
    this.descriptors.start()
    this.link.handle(this.shutdown)
    this.link.takeCertificateBy((setup) => this.takeCertificate(setup as WorkerConfig))
    const answers = this.makeAnswers()
    this.link.answerBy((question) => answers.answer(question))
    this.link.pushMetrics(() => this.metrics.snapshot())
    this.readiness.update()
    await this.readiness.timeToListen(clock, this.place.successor)
    await this.sockets.listen()
    this.readiness.listens()
  }

  private get database(): number {
    return redisDatabase(this.setup.config.redis.url)
  }

  private get handsOver(): boolean {
    return this.setup.config.drain.handover && this.setup.tls === null
  }

  private makeReceiver(): HandoverReceiver {
    const { sockets, sessions } = this
    // The worker that passes them on goes by the configuration before: without hand-over, or with TLS, in this one's
    // they are not to go on here.
    const takes = sockets.canAttach && this.handsOver
    return new HandoverReceiver(primaryChannel, {
      canAccept: (state) => !this.shutdown.draining && takes && sessions.canAccept(state),
      receive: (arrived) => receiveConnection(arrived, sockets, sessions),
    })
  }

  private takeCertificate({ tls }: WorkerConfig): void {
    if (tls === null) return
    this.sockets.renewCertificate(tls)
    this.log.info('new connections have the renewed certificate')
  }

  private async end(): Promise<void> {
    this.tickets?.close()
    this.warnings.close()
    this.sessionLog.close()
    this.descriptors.stop()
    this.bus.stop()
    this.connections.stop()
    await Promise.all([this.auth.stop(), this.timers.stop()])
    await this.link.finish()
  }

  private notReadyReasons(): readonly string[] {
    if (this.shutdown.draining) return ['draining']
    return [...this.serviceReasons(), ...(this.descriptors.exhausted ? ['free file descriptor'] : [])]
  }

  /** What keeps a client that is connected from being served. */
  private serviceReasons(): readonly string[] {
    return [...this.bus.notReadyReasons(), ...this.auth.notReadyReasons()]
  }

  private descriptorsChanged(exhausted: boolean): void {
    if (exhausted)
      this.log.error({ openFilesMax: openFilesMax() }, 'no free file descriptor: clients are refused')
    else this.log.info('file descriptors are free again')
    this.readiness.update()
  }

  private fitConnections(): ConnectionRoom {
    const { connections_per_worker: wanted } = this.setup.config.limits
    const filesMax = openFilesMax()
    const room = connectionRoom(wanted, filesMax)
    if (room.connections < wanted)
      this.log.warn(
        { openFilesMax: filesMax, connections: room.connections },
        `limits.connections_per_worker: ${wanted} do not fit into the open files of a process (LimitNOFILE)`,
      )
    return room
  }

  private makeRedis(): RedisFactory {
    const { url, cluster, sentinels, sentinel_name: sentinelName } = this.setup.config.redis
    return new RedisFactory({
      url,
      cluster,
      sentinels,
      sentinelName,
      tls: this.setup.redisTls,
      logger: this.log,
      hostLog: this.link.hostLog,
      clock,
      // The bus tells of its own connections: one that is up is not yet one that is subscribed.
      connected: (role, up) => OWN_CONNECTIONS.has(role) && this.counts.connected(role, up),
      clients: this.sessionLog.unserved,
    })
  }

  private makeConnections(): RedisConnections {
    const { redis } = this
    const { cluster, sentinels } = this.setup.config.redis
    const connect = (node: HostPort) => redis.connectOnce('nodes', { node })
    const nodes = cluster === null ? null : new RedisNodes({ seeds: cluster, connect, clock })
    return new RedisConnections({
      servers: {
        locate: nodes && ((key) => nodes.ownerOf(key)),
        readyMsMax:
          nodes === null ? READY_MS_MAX + (sentinels?.length ?? 0) * SENTINEL_MS : NODE_READY_MS_MAX,
        create: (role, node) => redis.connectOnce(role, { node, failFast: role === 'commands' }),
      },
      clock,
      outage: redis.outage,
      connected: (up) => {
        for (const role of ['commands', 'subscriber']) this.counts.connected(role, up)
      },
    })
  }

  private makeShutdown(): Shutdown {
    return new Shutdown({
      sessions: this.sessions,
      sockets: this.sockets,
      sender: new HandoverSender({ channel: primaryChannel, clock }),
      arriving: () => this.receiver.size,
      handsOver: this.handsOver,
      clock,
      log: this.log,
      handedOver: this.counts.handover.handedOver,
      began: this.readiness.update,
      end: () => this.end(),
    })
  }

  private makeTimers(): ExpiryWorker {
    return new ExpiryWorker({
      client: this.redis.create(TIMERS_CONNECTION, { silentMsMax: TIMERS_SILENT_MS_MAX }),
      prefix: this.setup.config.redis.prefix,
      database: this.database,
      clock,
      authTime: this.auth.clock.now,
      logger: this.log,
      metrics: this.counts.auth,
    })
  }

  private makeBus(): RedisBus {
    const { bus, redis } = this.setup.config
    return new RedisBus({
      prefix: redis.prefix,
      database: this.database,
      partitions: redis.partitions,
      lostGraceMs: bus.lost_grace * 1000,
      silenceGraceMs: bus.silence_grace * 1000,
      redisLostGraceMs: redis.lost_grace * 1000,
      connections: this.connections,
      clock,
      logger: this.log,
      hostLog: this.link.hostLog,
      metrics: this.counts.bus,
      clients: this.sessionLog.unserved,
      listener: {
        events: (partition, events) => this.fanOut.deliver(partition, events),
        lost: (partition, why) => this.lost(partition, why),
        readinessChanged: this.readiness.update,
      },
    })
  }

  /** The cluster's timer is due for a token. */
  private onExpiryNotice(bytes: Uint8Array): void {
    const notice = decodeExpiryNotice(Buffer.from(bytes).toString())
    if (notice === null) this.unreadable('notice')
    else this.auth.watcher.handleNotice(notice)
  }

  /** Another worker drains the sessions of a token. */
  private onDrainNotice(bytes: Uint8Array): void {
    const tokenHash = decodeDrainNotice(Buffer.from(bytes).toString())
    if (tokenHash === null) this.unreadable('call')
    else this.shutdown.drainNoticed(tokenHash)
  }

  /** From a worker of another version: each worker knows by itself what it needs to, if later. */
  private unreadable(what: 'notice' | 'call'): void {
    this.counts.bus.unreadable()
    this.warnings.warn(what, { what }, 'message of another worker that this program cannot read')
  }

  /** What was missed may have been the end of a token: sessions go, and nothing remembered of tokens counts. */
  private lost(partition: number, why: string): void {
    this.auth.lookups.forgetAll()
    this.losses.add(partition, why, this.sessions.lost(partition, why), clock.now())
  }

  private makeAnswers(): WorkerAnswers {
    return new WorkerAnswers({
      slot: this.place.slot,
      version: programVersion(),
      sessions: this.sessions,
      bus: this.bus,
      losses: this.losses,
      masterTenant: () => this.auth.masterTenant,
      notReadyReasons: () => this.notReadyReasons(),
      indexed: () => this.index.size,
      clock,
    })
  }

  private makeTickets(): RedisTickets | null {
    const { drain, redis } = this.setup.config
    if (!drain.resume) return null
    return new RedisTickets({
      prefix: redis.prefix,
      database: this.database,
      historyMs: redis.history * 1000,
      client: () => this.expiry,
      clock,
      logger: this.log,
    })
  }

  private makeSessions(): Sessions {
    const { config } = this.setup
    return new Sessions({
      authenticator: this.auth.lookups,
      watch: this.auth.watcher,
      tickets: this.tickets,
      bus: this.bus,
      index: this.index,
      permission: this.router,
      partitions: config.redis.partitions,
      everyTenant: config.bus.access_scope === 'acl',
      intern: this.index.intern,
      limits: sessionLimits(config, this.room),
      resumeSeconds: config.redis.history,
      replayBufferBytes: config.limits.send_buffer_soft_bytes / REPLAY_BUFFER_SHARE,
      renewalDeadline: config.limits.auth_total_seconds * 1000,
      masterTenant: () => this.auth.masterTenant,
      notReadyReasons: () => (this.shutdown.admitting ? this.serviceReasons() : ['draining']),
      defer: (task) => process.nextTick(task),
      frameBytes: this.frameBytes,
      clock,
      hostLog: this.link.hostLog,
      metrics: this.counts.session,
      sessionLog: this.sessionLog,
    })
  }

  private makeSockets(): SocketServer {
    const { config, tls } = this.setup
    return createSocketServer({
      listen: config.websocket.listen,
      port: config.websocket.port,
      tls,
      allowedOrigins: config.websocket.allowed_origins,
      trustedProxies: config.websocket.trusted_proxies,
      pingInterval: config.websocket.ping_interval * 1000,
      permessageDeflate: config.limits.permessage_deflate,
      limits: socketLimits(config, this.room, this.setup.workers),
      clock,
      log: this.log,
      metrics: {
        ...this.counts.socket,
        handshakeRefused: (reason) => {
          this.counts.socket.handshakeRefused(reason)
          this.sessionLog.refused(reason)
        },
      },
      frameBytes: this.frameBytes,
      onConnection: this.sessions.connect,
      ...(config.console.enabled ? { onRequest: consoleHandler } : {}),
    })
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
  await new EdgeWorker(setup, place, link, log).start()
} catch (error) {
  // A port in use, a log file that cannot be opened: no other worker would fare better.
  await link.fatal(messageOf(error), error instanceof StartupError ? error.status : 1)
}
