/** The command `doctor`: all checks side by side, each bounded, whatever is down. */
import { existsSync, readFileSync } from 'node:fs'
import { busHosts } from '@wazo-websocketd/shared/config/derived'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import { readClientTls } from '@wazo-websocketd/shared/runtime/tls'
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import { programVersion } from '@wazo-websocketd/shared/runtime/version'
import { STREAM } from '@wazo-websocketd/ingest/broker/topology'
import { openFilesMax } from '../../process/open-files.js'
import { clusterPrograms } from '../cluster-programs.js'
import type { ToolContext } from '../context.js'
import { exitStatus, findingLine, warning, type Finding } from '../finding.js'
import { askEdge, askIngest } from '../programs.js'
import type { Result } from '../result.js'
import type { EdgeAnswer, IngestAnswer } from '../shapes.js'
import { checkAuth } from './auth-check.js'
import { bounded, type Check } from './bounded.js'
import { checkBroker, type BrokerCheckOptions } from './broker-check.js'
import { checkConfig, checkKeyFile, checkUuid } from './config-check.js'
import { checkOpenFiles } from './machine-check.js'
import { checkEdge, checkIngest, checkVersions } from './programs-check.js'
import { checkRedis } from './redis-check.js'

const CHECK_MS_MAX = 8_000

export async function runDoctor(context: ToolContext): Promise<Result> {
  const checks = checksOf(context)
  const found = await Promise.all(checks.map((check) => bounded(check, CHECK_MS_MAX, systemClock)))
  // Last: as root it becomes the user that a start becomes.
  const config = await bounded(
    { name: 'configuration', run: () => Promise.resolve().then(() => checkConfig(context.sources)) },
    CHECK_MS_MAX,
    systemClock,
  )
  const findings = [...config, ...found.flat()]
  return { status: exitStatus(findings), lines: findings.map(findingLine), json: findings }
}

function checksOf(context: ToolContext): readonly Check[] {
  const { reading } = context
  const { config } = reading
  const edge = askEdge(context.edge)
  const ingest = askIngest(context.ingest)
  return [
    { name: 'key file', run: () => Promise.resolve([checkKeyFile(reading)]) },
    { name: 'uuid', run: async () => [checkUuid(config.uuid, uuidOf(await ingest))] },
    { name: 'rabbitmq', run: async () => checkBroker(brokerOptions(config)) },
    { name: 'redis', run: () => redisFindings(context) },
    {
      name: 'wazo-auth',
      run: async () => {
        const auth = context.auth()
        return checkAuth({
          ...auth,
          offset: () => ({ ms: auth.clock.now() - systemClock.now(), uncertainty: auth.clock.uncertainty() }),
        })
      },
    },
    {
      name: 'open files',
      run: async () => [openFilesFinding(config.limits.connections_per_worker, await edge)],
    },
    { name: 'edge', run: async () => [...checkEdge(await edge), ...socketFindings(context, await edge)] },
    { name: 'ingest', run: async () => checkIngest(await ingest) },
    { name: 'versions', run: () => versions(context) },
  ]
}

/** An edge that answers over its port alone takes no orders. */
function socketFindings({ edge: { socket } }: ToolContext, answer: EdgeAnswer | string): readonly Finding[] {
  return typeof answer === 'string' || socket === null || existsSync(socket)
    ? []
    : [
        warning(
          'edge',
          `there is no socket ${socket} (admin.socket): upgrade and sessions --close do not work`,
          'make its directory for the user of the service (RuntimeDirectory=wazo-websocketd in the unit) and restart the edge',
        ),
      ]
}

function uuidOf(ingest: IngestAnswer | string): string | null | undefined {
  return typeof ingest === 'string' ? undefined : ingest.uuid
}

function brokerOptions({ bus }: ToolContext['reading']['config']): BrokerCheckOptions {
  const { username, password, vhost, heartbeat, stream } = bus
  return {
    hosts: busHosts(bus),
    broker: { tls: readClientTls('bus.tls', bus.tls), username, password, vhost, heartbeat },
    topology: {
      stream: STREAM,
      exchange: bus.exchange_name,
      exchangeType: bus.exchange_type,
      legacyExchange: bus.legacy_exchange,
      replicas: stream.replicas,
      maxAgeMs: stream.max_age * 1000,
      maxBytes: stream.max_bytes,
    },
  }
}

async function redisFindings(context: ToolContext): Promise<readonly Finding[]> {
  const { redis } = context.reading.config
  const access = await context.redis()
  try {
    return await checkRedis(access, {
      clustered: redis.cluster !== null,
      logBytes: redis.history_bytes * redis.partitions,
      prefix: redis.prefix,
      partitions: redis.partitions,
      stream: STREAM,
    })
  } catch (thrown) {
    throw new Error(access.describe(thrown), { cause: thrown })
  }
}

async function versions(context: ToolContext): Promise<readonly Finding[]> {
  const programs = await context
    .redis()
    .then(({ client }) => clusterPrograms(client))
    .catch((thrown: unknown) => messageOf(thrown))
  return checkVersions(programs, programVersion())
}

/** The limit of a worker that runs counts; that of this shell is another one. */
function openFilesFinding(connectionsPerWorker: number, edge: EdgeAnswer | string): Finding {
  const pid = typeof edge === 'string' ? null : (edge.workers[0]?.pid ?? null)
  if (pid === null) return checkOpenFiles(connectionsPerWorker, openFilesMax(), false)
  const max = openFilesMax(() => readFileSync(`/proc/${pid}/limits`, 'utf8'))
  return Number.isFinite(max)
    ? checkOpenFiles(connectionsPerWorker, max, true)
    : warning(
        'open files',
        `the limits of worker ${pid} cannot be read`,
        'run as root, or as the user of the service',
      )
}
