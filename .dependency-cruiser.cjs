/**
 * Which folder may import which. Everything not listed is forbidden, so a new import is a decision made here.
 * test/unit/dependency-rules.test.ts shows that each rule can fail.
 */
const DOMAIN = '^packages/shared/src/domain/'
const CLOCK = '^packages/shared/src/runtime/clock[.]ts$'
const LINE_LOG = '^packages/shared/src/runtime/line-log[.]ts$'
const DIGEST = '^packages/shared/src/runtime/digest[.]ts$'
const SHARED = '^packages/shared/src/'
/** Metrics are declared where they are counted, on a registry that the roots make. */
const METRICS = '^packages/shared/src/runtime/metrics[.]ts$'
const CONFIG = '^packages/shared/src/config/'
const RUNTIME = '^packages/shared/src/runtime/'
const REDIS = '^packages/shared/src/redis/'
const CONFIG_SCHEMA = '^packages/shared/src/config/schema[.]ts$'
const REDIS_URL = '^packages/shared/src/redis/url[.]ts$'
/** The only places that read the configuration and construct things. */
const ROOTS = '^packages/(ingest|edge)/src/(main|worker|loader|wait-online|ctl|tail|publish-events)[.]ts$'
/** What the edge's roots are made of: a part of the configuration each, translated into options. */
const ROOT_PARTS = '^packages/edge/src/(auth/auth[.]ts$|config/|ctl/|worker/)'
/** What the operator's tool uses of the ingest: its way to the broker, and what it makes of a message. */
const OF_INGEST = '^packages/ingest/src/(broker|normalise)/'

const edge = (folder) => `^packages/edge/src/${folder}/`
const npm = (...names) => `(^|/)node_modules/(@types/)?(${names.join('|')})/`

/** `node:` modules, for those who are allowed to talk to the machine. */
const NODE = { dependencyTypesNot: ['core'] }
/** Imports that are gone at run time: interfaces between folders, and the type of the injected logger. */
const TYPES = { dependencyTypesNot: ['type-only'] }

/**
 * The rules of one folder: what it may import, and what it may import besides when only the types are used.
 * @param {string} name
 * @param {string} from
 * @param {{ values: string[], types?: string[], node?: boolean }} may
 */
function folder(name, from, { values, types = [], node = false }) {
  const others = node ? NODE : {}
  return [
    {
      name,
      comment: `${from} imports only ${values.join(', ')}${node ? ' and node:' : ''}`,
      severity: 'error',
      from: { path: from, pathNot: ROOTS },
      to: { pathNot: values, dependencyTypesNot: [...(others.dependencyTypesNot ?? []), 'type-only'] },
    },
    {
      name: `${name}-types`,
      comment: `${from} imports types only from ${[...values, ...types].join(', ')}`,
      severity: 'error',
      from: { path: from, pathNot: ROOTS },
      to: { pathNot: [...values, ...types], dependencyTypes: ['type-only'], ...others },
    },
  ]
}

const PINO = npm('pino')
const SESSION_PORTS = '^packages/edge/src/session/ports[.]ts$'
/** What of a session passes to another worker. */
const SNAPSHOT = '^packages/edge/src/handover/session-snapshot[.]ts$'

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...folder('domain', DOMAIN, { values: [DOMAIN] }),
    ...folder('runtime', RUNTIME, {
      values: [RUNTIME, DOMAIN, npm('pino', 'prom-client', 'commander')],
      types: [CONFIG_SCHEMA],
      node: true,
    }),
    ...folder('redis', REDIS, {
      values: [REDIS, RUNTIME, DOMAIN, npm('ioredis')],
      types: [PINO],
      node: true,
    }),
    ...folder('config', CONFIG, {
      values: [CONFIG, RUNTIME, REDIS_URL, DOMAIN, npm('zod', 'yaml', 'commander')],
      node: true,
    }),
    ...folder('bus', edge('bus'), {
      values: [edge('bus'), SHARED],
      types: [PINO],
      node: true,
    }),
    ...folder('route', edge('route'), { values: [edge('route'), DOMAIN, DIGEST], types: [METRICS] }),
    ...folder('deliver', edge('deliver'), {
      values: [edge('deliver'), DOMAIN],
      types: [SESSION_PORTS, METRICS, CLOCK],
    }),
    ...folder('socket', edge('socket'), {
      values: [edge('socket'), edge('session'), DOMAIN, RUNTIME, npm('ws')],
      types: [edge('deliver'), PINO],
      node: true,
    }),
    ...folder('session', edge('session'), {
      values: [edge('session'), edge('deliver'), edge('drain'), SNAPSHOT, DOMAIN, CLOCK],
      types: ['^packages/edge/src/bus/ports[.]ts$', edge('route'), edge('handover'), METRICS, LINE_LOG, PINO],
    }),
    ...folder('auth', edge('auth'), {
      values: [edge('auth'), SHARED, npm('undici', 'bullmq', 'lru-cache')],
      types: [SESSION_PORTS, PINO],
      node: true,
    }),
    ...folder('drain', edge('drain'), {
      values: [edge('drain'), SHARED],
      types: [edge('session'), PINO],
      node: true,
    }),
    ...folder('handover', edge('handover'), {
      values: [edge('handover'), edge('socket'), DOMAIN, CLOCK],
      types: [edge('session'), METRICS],
      node: true,
    }),
    ...folder('process', edge('process'), {
      values: [edge('process'), edge('handover'), edge('drain'), SHARED],
      types: [edge('session'), edge('socket'), PINO],
      node: true,
    }),
    ...folder('admin', edge('admin'), {
      values: [edge('admin'), DOMAIN, RUNTIME],
      types: [edge('bus'), edge('process'), edge('session')],
    }),
    ...folder('ctl', edge('ctl'), {
      values: [
        ...['ctl', 'auth', 'route', 'config'].map(edge),
        '^packages/edge/src/(admin/closes|process/open-files)[.]ts$',
        OF_INGEST,
        SHARED,
        npm('commander'),
      ],
      types: [npm('amqplib')],
      node: true,
    }),
    ...folder('client', edge('client'), {
      values: [edge('client'), RUNTIME, DOMAIN, npm('ws', 'commander')],
      node: true,
    }),
    ...folder('console', edge('console'), { values: [edge('console'), SHARED], types: [PINO], node: true }),
    ...folder('ingest', '^packages/ingest/src/', {
      values: ['^packages/ingest/src/', SHARED, npm('amqplib', 'commander', 'ioredis')],
      types: [PINO],
      node: true,
    }),
    {
      name: 'edge-never-ingest',
      comment: "The programs share packages/shared, and nothing else. The operator's tool is of both.",
      severity: 'error',
      from: { path: '^packages/edge/', pathNot: edge('ctl') },
      to: { path: '^packages/ingest/' },
    },
    {
      name: 'ingest-never-edge',
      severity: 'error',
      from: { path: '^packages/ingest/' },
      to: { path: '^packages/edge/' },
    },
    {
      name: 'configuration-in-roots-only',
      comment: 'Classes take plain options; main and worker translate the configuration into them.',
      severity: 'error',
      from: { path: '^packages/(ingest|edge)/src/', pathNot: [ROOTS, ROOT_PARTS] },
      to: { path: CONFIG },
    },
    {
      name: 'source-never-test',
      severity: 'error',
      from: { path: '^packages/' },
      to: { path: '^(test|deploy)/' },
    },
    {
      name: 'declared',
      comment: "A package imports at run time only what its own package.json lists under 'dependencies'.",
      severity: 'error',
      from: { path: '^packages/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], ...TYPES },
    },
    {
      name: 'no-circular',
      comment: 'Types may know each other; values may not.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'resolvable',
      comment: 'An import that cannot be followed would escape every other rule.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'node', 'default', 'types'],
      extensions: ['.ts', '.mts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
}
