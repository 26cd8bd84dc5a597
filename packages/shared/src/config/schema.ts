/** Every key of the configuration with its type and default. */
import { z } from 'zod'
import { limitsSchema } from './limits.js'
import {
  choice,
  count,
  flag,
  flagOrText,
  hostPorts,
  port,
  seconds,
  secondsOrZero,
  secret,
  text,
  textLike,
  textList,
} from './values.js'

/** Where the packages of Wazo put a service's credentials. */
export const DEFAULT_KEY_FILE = '/var/lib/wazo-auth-keys/wazo-websocketd-key.yml'
export const DEFAULT_CONFIG_FILE = '/etc/wazo-websocketd/config.yml'
export const DEFAULT_REDIS_URL = 'redis://127.0.0.1:6379'
/** In the directory that the unit makes. */
const DEFAULT_ADMIN_SOCKET = '/run/wazo-websocketd/edge.sock'
export const DEFAULT_EXTRA_CONFIG_FILES = '/etc/wazo-websocketd/conf.d'

const MIB = 1024 * 1024
/** A year. */
const SECONDS_MAX = 31_536_000

const LOG_LEVELS = ['debug', 'info', 'warning', 'error', 'critical'] as const
const LOG_LEVEL_ALIASES: ReadonlyMap<string, string> = new Map([
  ['warn', 'warning'],
  ['fatal', 'critical'],
  ['notset', 'debug'],
])

/** Names as Python's logging knows them, in any case. */
const logLevel = z.preprocess(
  (value) => {
    if (typeof value !== 'string') return value
    const lower = value.toLowerCase()
    return LOG_LEVEL_ALIASES.get(lower) ?? lower
  },
  choice(...LOG_LEVELS),
)

export type LogLevel = (typeof LOG_LEVELS)[number]

const WORKERS = 'auto or a whole number from 1 to 1024'

const secretFile = () => text('the path of a file').nullable().default(null)

const pem = () => text('the path of a file').nullable().default(null)

/** How a server proves who it is, and this program to it, over TLS. */
const tlsSchema = z.object({
  /** Certificates of the authorities to trust; null: those that Node.js trusts by itself. */
  ca: pem(),
  /** Certificate and private key of this program, for a server that asks for them. */
  cert: pem(),
  key: pem(),
  verify: flag().default(true),
})

/** Without TLS, with it, or with it and a mapping that says how. */
const tls = () =>
  z
    .union([flag(), tlsSchema], { error: 'true, false, or a mapping of ca, cert, key and verify' })
    .default(false)

/** A key of the file such as `bus.tls`. */
export type TlsConfig = boolean | z.output<typeof tlsSchema>

const authSchema = z.object({
  host: text('a host name').default('localhost'),
  port: port().default(80),
  https: flag().default(false),
  /** Before `/0.1/token`; null or empty: none. */
  prefix: z.string({ error: 'a path such as /api/auth' }).nullable().default('/api/auth'),
  /** true, false, or the path of a file with the certificates to trust. */
  verify_certificate: flagOrText('true, false or the path of a certificate file').default(true),
  /** Seconds for one request; null: `limits.auth_try_seconds`. */
  timeout: seconds().nullable().default(null),
  username: text().nullable().default(null),
  password: secret().nullable().default(null),
  /** A file that holds `auth.password`. */
  password_file: secretFile(),
  /** YAML with `service_id` and `service_key`, which become `username` and `password`. */
  key_file: text('the path of a file').nullable().default(DEFAULT_KEY_FILE),
})

const busSchema = z.object({
  host: text('a host name').default('localhost'),
  port: port().default(5672),
  /** Nodes of a cluster, tried in turn; null: `bus.host` and `bus.port`. */
  hosts: hostPorts().nullable().default(null),
  tls: tls(),
  username: text().default('guest'),
  password: secret().default('guest'),
  /** A file that holds `bus.password`. */
  password_file: secretFile(),
  /** Empty: `/`. */
  vhost: text().default('/'),
  exchange_name: text().default('wazo-headers'),
  exchange_type: text().default('headers'),
  /** Deliveries that the broker sends ahead of their acknowledgement. */
  consumer_prefetch: count(1, 65535).default(250),
  /** Seconds; sent explicitly, because Wazo's broker has heartbeats off. */
  heartbeat: count(1, 65535).default(5),
  /** Seconds that sessions outlive the loss of the broker. */
  lost_grace: secondsOrZero().default(2),
  /** Seconds that sessions outlive the silence of every ingest. */
  silence_grace: secondsOrZero().default(30),
  /** The topic exchange on which wazo-auth publishes; null: not bound. */
  legacy_exchange: text('the name of an exchange, or null').nullable().default('xivo'),
  /** `acl`: an old Wazo without tenants. */
  access_scope: choice('tenant', 'acl').default('tenant'),
  stream: z.object({
    /** Nodes that hold the stream when it is declared first; null: what the broker thinks best. */
    replicas: count(1, 255).nullable().default(null),
    /** Seconds that the broker keeps messages, at least. */
    max_age: count(1, SECONDS_MAX).default(600),
    max_bytes: count(1 * MIB).default(1024 * MIB),
  }),
})

const websocketSchema = z.object({
  /** Empty or null: every address of the machine. */
  listen: text('an address').default('127.0.0.1'),
  port: port().default(9502),
  /** null or empty: none. */
  certificate: text('the path of a file, or null').nullable().default(null),
  /** null or empty: none. */
  private_key: text('the path of a file, or null').nullable().default(null),
  /** Seconds. */
  ping_interval: seconds().default(30),
  /** null: any. An absent Origin always passes. */
  allowed_origins: textList('a list of origins such as https://example.org').nullable().default(null),
  /** Addresses or networks whose X-Forwarded-For is believed. */
  trusted_proxies: textList('a list of addresses or networks').default([]),
})

const redisSchema = z.object({
  url: textLike(
    /^rediss?:\/\/\S+$/,
    'an address such as redis://127.0.0.1:6379 or rediss://host:6379',
  ).default(DEFAULT_REDIS_URL),
  /** A file that holds `redis.url`. */
  url_file: secretFile(),
  /** A file that holds the password of `redis.url`, which then has none. */
  password_file: secretFile(),
  /** Nodes of a Redis Cluster; null: a single server, `redis.url`. User, password and TLS are those of the url. */
  cluster: hostPorts().nullable().default(null),
  /** Sentinels that know the master; null: none. User, password, database and TLS are those of the url. */
  sentinels: hostPorts().nullable().default(null),
  sentinel_name: textLike(/^\S+$/, 'the name of a master').default('mymaster'),
  /** Also on with `rediss://`. */
  tls: tls(),
  prefix: textLike(/^[^\s{}]{1,64}$/, 'a text without blanks and braces, at most 64 characters').default(
    'wazo-ws',
  ),
  partitions: count(1, 1024).default(1),
  /** Seconds of the log that recovery can reach back. */
  history: seconds().default(120),
  history_bytes: count(1 * MIB).default(64 * MIB),
  /** Seconds that sessions outlive the loss of Redis. */
  lost_grace: secondsOrZero().default(30),
})

const metricsSchema = z.object({
  /** Empty or null: every address of the machine. */
  listen: text('an address').default('127.0.0.1'),
  edge_port: port().default(9504),
  ingest_port: port().default(9505),
})

const adminSchema = z.object({
  /** The edge's unix socket for `wazo-websocketd-ctl`; null or empty: none. */
  socket: text('the path of a file, or null').nullable().default(DEFAULT_ADMIN_SOCKET),
})

const drainSchema = z.object({
  /** Sessions closed per second and host. */
  rate: count().default(200),
  /** Seconds after which the remaining sessions are closed at once. */
  timeout: seconds().default(30),
  /** Seconds at SIGTERM from "not ready" on until the listener closes, for load balancers that ask /readyz. */
  delay: secondsOrZero().default(0),
  /** Whether drained sessions leave a ticket to resume with. */
  resume: flag().default(true),
  /** Whether sockets are handed to the successor of a worker. */
  handover: flag().default(true),
})

export const configSchema = z.object({
  /** This Wazo's uuid (XIVO_UUID); null: events of any origin. */
  uuid: text().nullable().default(null),
  debug: flag().default(false),
  log_level: logLevel.default('info'),
  /** null or empty: standard output. */
  log_file: text('the path of a file, or null').nullable().default(null),
  /** `json`: an object per line. `wazo`: lines as Wazo's other daemons write them, `time [pid] (LEVEL) (name): message`. */
  log_format: choice('json', 'wazo').default('json'),
  /** Whether each session that ends has a line at level `info`; at most 50 a second from each worker. */
  log_sessions: flag().default(true),
  /** Whom to become when started as root; null or empty: `wazo-websocketd` where that account exists. */
  user: text('the name of a user, or null').nullable().default(null),
  /** The directory of further configuration files. */
  extra_config_files: text('the path of a directory').default(DEFAULT_EXTRA_CONFIG_FILES),
  auth: authSchema,
  auth_check_strategy: choice('dynamic', 'static').default('dynamic'),
  /** Seconds between the checks of a token when the strategy is static. */
  auth_check_static_interval: seconds().default(60),
  bus: busSchema,
  websocket: websocketSchema,
  /** `auto`: as many as this process may use processors. */
  process_workers: z
    .union([z.literal('auto', { error: WORKERS }), count(1, 1024, WORKERS)], { error: WORKERS })
    .default('auto'),
  /** Accepted from older files; has no effect. */
  worker_connections: z.unknown().default(null),
  redis: redisSchema,
  metrics: metricsSchema,
  admin: adminSchema,
  drain: drainSchema,
  console: z.object({ enabled: flag().default(false) }),
  limits: limitsSchema,
})

/** The effective configuration, with the key names of the files. */
export type Config = z.output<typeof configSchema>

/** Keys whose values never appear in a report or an error. */
export const SECRET_KEYS: ReadonlySet<string> = new Set(['auth.password', 'bus.password'])

/** Keys where an empty value means every address of the machine. */
export const LISTEN_KEYS: ReadonlySet<string> = new Set(['websocket.listen', 'metrics.listen'])

/** Keys whose texts may look like numbers and need no quotes then. */
export const DIGITS_AS_TEXT_KEYS: ReadonlySet<string> = new Set([
  'uuid',
  'auth.username',
  'auth.password',
  'bus.username',
  'bus.password',
  'bus.vhost',
  'bus.exchange_name',
])
