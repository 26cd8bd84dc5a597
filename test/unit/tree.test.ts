import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import ts from 'typescript'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Sources that are tested under another name: parts of one noun, which its test runs through (each key is a
 * test, under test/). Split a test as soon as a part gets a second user.
 */
const TESTED_THROUGH: Readonly<Record<string, readonly string[]>> = {
  'unit/shared/domain/acl/acl.test.ts': [
    'shared/domain/acl/match',
    'shared/domain/acl/pattern',
    'shared/domain/acl/scan',
    'shared/domain/acl/sets',
  ],
  'unit/shared/domain/protocol.test.ts': ['shared/domain/json-source'],
  'unit/shared/config/derived.test.ts': ['shared/redis/url'],
  'unit/shared/config/resolve.test.ts': ['shared/config/reading'],
  'integration/config.test.ts': [
    'shared/config/checks',
    'shared/config/service-options',
    'shared/config/error',
    'shared/config/limits',
    'shared/config/load',
    'shared/config/process-environment',
    'shared/config/report',
    'shared/config/schema',
    'shared/config/values',
    'shared/runtime/system-error',
  ],
  'unit/edge/route/acl-classes.test.ts': ['shared/runtime/digest'],
  'unit/edge/route/subscription-index.test.ts': [
    'edge/route/entry-list',
    'edge/route/index-entry',
    'edge/route/tenant-index',
  ],
  'unit/edge/route/router.test.ts': ['edge/route/acl-decision', 'edge/route/rules'],
  'unit/edge/admin/worker-answers.test.ts': ['edge/admin/closes'],
  'unit/edge/ctl/explain/explanation.test.ts': ['edge/ctl/explain/explanation-text'],
  'unit/edge/session/session.test.ts': ['edge/session/frame-queue', 'edge/session/ops'],
  'unit/edge/session/sessions.test.ts': [
    'edge/deliver/control-frames',
    'edge/session/admission',
    'edge/session/connection',
    'edge/session/credentials',
    'edge/session/effects',
    'edge/session/feed',
    'edge/session/partitions',
    'edge/session/starting-point',
  ],
  'unit/edge/socket/detach/detach.test.ts': ['edge/socket/detach/attach'],
  'unit/edge/auth/expiry/watcher.test.ts': ['edge/auth/expiry/watched-token'],
  'integration/ctl.test.ts': [
    'edge/ctl/admin-client',
    'edge/ctl/explain/log-events',
    'edge/ctl/explain/run',
    'edge/ctl/result',
    'edge/ctl/sessions',
    'edge/ctl/shapes',
    'edge/ctl/status',
    'edge/ctl/upgrade',
  ],
  'integration/doctor.test.ts': [
    'edge/ctl/context',
    'edge/ctl/doctor/auth-check',
    'edge/ctl/doctor/broker-check',
    'edge/ctl/doctor/config-check',
    'edge/ctl/doctor/redis-check',
    'edge/ctl/programs',
    'edge/ctl/redis-access',
  ],
  'integration/expiry-queue.test.ts': ['edge/auth/expiry/queue', 'edge/auth/expiry/queue-worker'],
  'integration/edge-auth.test.ts': ['edge/auth/client', 'edge/auth/exchange'],
  'integration/edge-bus.test.ts': [
    'edge/bus/bus',
    'edge/bus/log',
    'edge/bus/log-reader',
    'shared/redis/connection',
    'shared/redis/connections',
    'shared/redis/layout',
    'shared/redis/pair',
    'shared/redis/script',
  ],
  'integration/edge-bus-cluster.test.ts': ['shared/redis/nodes', 'shared/runtime/host-port'],
  'integration/redis-sentinel.test.ts': ['shared/redis/sentinels'],
  'integration/ingest-hosts.test.ts': ['shared/runtime/tls'],
  'integration/refusal.test.ts': ['shared/redis/error-log'],
  'integration/redis-tickets.test.ts': ['edge/drain/ticket-scripts'],
  'integration/edge-socket.test.ts': ['edge/socket/adapter', 'edge/socket/http-server', 'edge/socket/server'],
  'integration/ingest-attach.test.ts': [
    'ingest/attach/attach',
    'ingest/attach/stream-check',
    'ingest/broker/epoch-marker',
    'ingest/timings',
  ],
  'integration/ingest-publisher.test.ts': ['ingest/publish/publisher'],
  'integration/ingest.test.ts': ['ingest/broker/consumer', 'ingest/broker/topology'],
  'faults/upgrade-handover.test.ts': ['edge/handover/hand-over', 'edge/process/shutdown'],
  'integration/transfer.test.ts': ['edge/handover/channel'],
  'integration/wait-online.test.ts': ['edge/process/answer'],
  'unit/edge/process/pool.test.ts': ['edge/process/worker-handle', 'edge/process/worker-slot'],
  'integration/metrics-cluster.test.ts': ['edge/process/service', 'edge/process/worker-process'],
  'deploy/command-line.test.ts': [
    'edge/client/conversation',
    'edge/client/login',
    'edge/client/password',
    'edge/client/viewer',
    'ingest/load/sender',
  ],
  'deploy/demo-parts.test.ts': ['ingest/load/templates'],
  'integration/upgrade-loader.test.ts': [
    'edge/config/load',
    'edge/config/worker-config',
    'edge/loader',
    'edge/process/config-loader',
  ],
}

const PARTS_OF_A_WORKER = 'a part of a composition root: the contract and deploy suites run it in a cluster'
const DECLARATIONS =
  'one declaration per metric: test/deploy/prometheus.test.ts scrapes them with the real tool'

/** Sources for which no test of their own would show anything, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'shared/runtime/clock': "the machine's clock behind an interface: every line hands over to Node",
  'ingest/main': 'composition root: the integration and contract suites run it as a program',
  'ingest/publish-events': 'composition root: test/deploy/command-line.test.ts runs it as a program',
  'edge/tail': 'composition root: test/deploy/command-line.test.ts runs it as a program',
  'ingest/assemble': 'composition root of the parts around one connection: run by the program',
  'ingest/metrics': DECLARATIONS,
  'edge/main': 'composition root: the contract and deploy suites run it as a program',
  'edge/worker': 'composition root: the contract and deploy suites run it in a cluster',
  'edge/worker/context': PARTS_OF_A_WORKER,
  'edge/worker/handover': PARTS_OF_A_WORKER,
  'edge/worker/redis': PARTS_OF_A_WORKER,
  'edge/worker/reporting': PARTS_OF_A_WORKER,
  'edge/worker/serving': PARTS_OF_A_WORKER,
  'edge/worker/sockets': PARTS_OF_A_WORKER,
  'edge/worker/tokens': PARTS_OF_A_WORKER,
  'edge/auth/auth': "composition of the worker's wazo-auth parts: run by the contract suite",
  'edge/config/limits':
    'translates configuration keys into option objects, field by field, checked by the compiler',
  'edge/prometheus': DECLARATIONS,
  'edge/auth/metrics': DECLARATIONS,
  'edge/bus/metrics': DECLARATIONS,
  'edge/deliver/metrics': DECLARATIONS,
  'edge/drain/metrics': DECLARATIONS,
  'edge/handover/metrics': DECLARATIONS,
  'edge/process/metrics': DECLARATIONS,
  'edge/route/metrics': DECLARATIONS,
  'edge/session/metrics': DECLARATIONS,
  'edge/socket/metrics': DECLARATIONS,
  'edge/config/program': 'a name',
  'edge/handover/result': 'a list of names: the compiler holds it against what is said',
  'shared/runtime/server-tls': 'reads two files at the start: the deploy suite serves TLS with them',
}

/** Programs that a test starts otherwise than by `test/support/program.mjs` or a URL of its own. */
const STARTS: Readonly<Record<string, readonly string[]>> = {
  'test/support/program.mjs': [
    'packages/ingest/src/main.ts',
    'packages/edge/src/main.ts',
    'packages/edge/src/worker.ts',
    'packages/edge/src/loader.ts',
    'packages/edge/src/tail.ts',
    'packages/ingest/src/publish-events.ts',
  ],
  'test/integration/upgrade-loader.test.ts': ['packages/edge/src/loader.ts'],
  'test/integration/wait-online.test.ts': ['packages/edge/src/wait-online.ts'],
  'test/support/ctl.ts': ['packages/edge/src/ctl.ts'],
}

function filesUnder(directory: string, suffix: string): string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(suffix))
    .map((file) => join(directory, file))
}

/** Interfaces and types only: there is nothing to run, and the compiler is the test. */
function isTypesOnly(file: string): boolean {
  const compilerOptions = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2023,
    verbatimModuleSyntax: true,
    removeComments: true,
  }
  const { outputText } = ts.transpileModule(readFileSync(join(ROOT, file), 'utf8'), { compilerOptions })
  return outputText.trim() === 'export {};'
}

/** packages/edge/src/route/router.ts -> edge/route/router */
function nameOf(source: string): string {
  return source.replace(/^packages\/([a-z]+)\/src\/(.*)[.]ts$/, '$1/$2')
}

const sources = ['shared', 'ingest', 'edge'].flatMap((name) => filesUnder(`packages/${name}/src`, '.ts'))
const names = new Set(sources.map(nameOf))
const tests = ['unit', 'integration', 'faults'].flatMap((name) => filesUnder(`test/${name}`, '.test.ts'))
const known = new Set([...sources, ...filesUnder('test', '.ts'), ...filesUnder('test', '.mjs')])
const excused = [...Object.values(TESTED_THROUGH).flat(), ...Object.keys(EXCEPTIONS)]

const IMPORTS = /(?:^(?:import|export)(?! type)[^'"]*|import\(\s*|new URL\(\s*)['"]([^'"]+)['"]/gm

/** The file that `specifier` in `file` names, if it is one of this repository. */
function resolve(file: string, specifier: string): string | undefined {
  const packaged = /^@wazo-websocketd\/([a-z]+)\/(.*)$/.exec(specifier)
  const path =
    packaged === null
      ? join(dirname(file), specifier)
      : `packages/${packaged[1] ?? ''}/src/${packaged[2] ?? ''}.ts`
  return [path, path.replace(/[.]js$/, '.ts')].find((each) => known.has(each))
}

const importsOf = new Map(
  [...known].map((file) => [
    file,
    [
      ...[...readFileSync(join(ROOT, file), 'utf8').matchAll(IMPORTS)].map(([, name]) =>
        resolve(file, name ?? ''),
      ),
      ...(STARTS[file] ?? []),
    ],
  ]),
)

/** All files whose code a test runs or loads, without those of which it takes types only. */
function reachedBy(test: string): ReadonlySet<string> {
  const reached = new Set([test])
  for (const file of reached)
    for (const imported of importsOf.get(file) ?? []) if (imported !== undefined) reached.add(imported)
  return reached
}

/** Tests of edge/route/router: test/unit/edge/route/router.test.ts, router.oracle.test.ts, or test/integration/router.test.ts. */
function ownTests(name: string): readonly string[] {
  const [unit, integration] = [`test/unit/${name}.`, `test/integration/${basename(name)}.`]
  return tests.filter((test) => test.startsWith(unit) || test.startsWith(integration))
}

function fileOf(name: string): string {
  return name.replace(/^([a-z]+)\/(.*)$/, 'packages/$1/src/$2.ts')
}

function isTested(name: string): boolean {
  return ownTests(name).some((test) => reachedBy(test).has(fileOf(name)))
}

describe('the tree', () => {
  it('has a test of its name for every source file, which reaches it', () => {
    const untested = sources
      .map(nameOf)
      .filter((name) => !isTested(name) && !excused.includes(name) && !isTypesOnly(fileOf(name)))
    expect(untested, 'add a test, or an exception with its reason').to.deep.equal([])
  })

  it('has no exception that is not needed, or stands twice', () => {
    const needless = excused.filter(
      (name, at) => !names.has(name) || isTested(name) || excused.indexOf(name) !== at,
    )
    expect(needless).to.deep.equal([])
  })

  it('has the tests that exceptions name, and they reach what they are said to test', () => {
    const untrue = Object.entries(TESTED_THROUGH).flatMap(([test, parts]) => {
      const reached = reachedBy(`test/${test}`)
      return parts
        .filter((name) => !reached.has(fileOf(name)))
        .map((name) => `${test} does not reach ${name}`)
    })
    expect(untrue).to.deep.equal([])
  })

  it('gives a reason for each other exception', () => {
    for (const [file, reason] of Object.entries(EXCEPTIONS)) expect(reason, file).to.match(/\w+ \w+/)
  })
})
