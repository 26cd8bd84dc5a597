import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import ts from 'typescript'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Sources that are tested under another name: parts of one noun, which its test runs through (each key is a
 * test, under test/). Split a test as soon as a part gets a second user.
 */
const TESTED_THROUGH: Readonly<Record<string, readonly string[]>> = {
  'unit/shared/domain/acl.test.ts': [
    'shared/domain/acl-match',
    'shared/domain/acl-pattern',
    'shared/domain/acl-scan',
    'shared/domain/acl-sets',
  ],
  'unit/shared/domain/codec.test.ts': ['shared/domain/codec-json-scan', 'shared/domain/protocol'],
  'integration/config.test.ts': [
    'shared/runtime/cli',
    'shared/runtime/config/checks',
    'shared/runtime/config/error',
    'shared/runtime/config/limits',
    'shared/runtime/config/load',
    'shared/runtime/config/process-environment',
    'shared/runtime/config/report',
    'shared/runtime/config/schema',
    'shared/runtime/config/values',
  ],
  'unit/edge/route/registry.test.ts': [
    'edge/route/acl-class',
    'edge/route/acl-classes',
    'edge/route/entry',
    'edge/route/group',
    'edge/route/list',
  ],
  'unit/edge/route/router.test.ts': ['edge/route/acl-judge'],
  'unit/edge/session/session.test.ts': [
    'edge/session/commands',
    'edge/session/credentials',
    'edge/session/effect-queue',
    'edge/session/inbox',
    'edge/session/judge',
    'edge/session/messages',
  ],
  'unit/edge/session/run.test.ts': [
    'edge/session/alarm',
    'edge/session/connection',
    'edge/session/membership',
  ],
  'unit/edge/session/roster.test.ts': ['edge/session/partitions', 'edge/session/revocations'],
  'unit/edge/session/host.test.ts': ['edge/session/loss-spread'],
  'unit/edge/socket/transfer/release.test.ts': ['edge/socket/transfer/adopt'],
  'unit/edge/auth/token-watch.test.ts': ['edge/auth/watched-token'],
  'integration/expiry-queue.test.ts': ['edge/auth/expiry-worker'],
  'integration/edge-auth.test.ts': ['edge/auth/client', 'edge/auth/exchange'],
  'integration/edge-bus.test.ts': [
    'shared/runtime/script',
    'shared/runtime/scripts',
    'shared/runtime/redis-connection',
    'shared/runtime/redis-pair',
    'edge/bus/bus',
    'edge/bus/catch-up',
    'edge/bus/log',
  ],
  'integration/edge-bus-cluster.test.ts': ['shared/runtime/host-port', 'shared/runtime/redis-nodes'],
  'integration/redis-sentinel.test.ts': ['shared/runtime/redis-sentinels'],
  'integration/ingest-hosts.test.ts': ['shared/runtime/tls'],
  'integration/redis-tickets.test.ts': ['edge/resume/scripts'],
  'integration/edge-socket.test.ts': ['edge/socket/adapter', 'edge/socket/http-server', 'edge/socket/server'],
  'integration/ingest-attach.test.ts': ['ingest/attach', 'ingest/marker'],
  'integration/ingest-publisher.test.ts': ['ingest/publisher'],
  'integration/ingest.test.ts': ['ingest/consumer', 'ingest/delivery', 'ingest/stream'],
  'faults/upgrade-handover.test.ts': ['edge/handover'],
  'unit/edge/session/passage.test.ts': ['edge/session/departing-session'],
  'integration/transfer.test.ts': ['edge/cluster/transfer/channel'],
  'unit/edge/cluster/pool.test.ts': ['edge/cluster/occupant', 'edge/cluster/slot'],
  'integration/metrics-cluster.test.ts': ['edge/cluster/service', 'edge/cluster/worker-process'],
  'integration/upgrade-loader.test.ts': [
    'edge/cluster/loader-process',
    'edge/loader',
    'edge/settings',
    'edge/setup',
  ],
}

/** Sources for which no test of their own would show anything, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'shared/runtime/clock': "the machine's clock behind an interface: every line hands over to Node",
  'ingest/main': 'composition root: the integration and contract suites run it as a program',
  'ingest/assemble': 'composition root of the parts around one connection: run by the program',
  'ingest/prometheus':
    'one declaration per metric: test/deploy/prometheus.test.ts scrapes them with the real tool',
  'edge/main': 'composition root: the contract and deploy suites run it as a program',
  'edge/worker': 'composition root: the contract and deploy suites run it in a cluster',
  'edge/authority': "composition of the worker's wazo-auth parts: run by the contract suite",
  'edge/limits': 'translates configuration keys into option objects, field by field, checked by the compiler',
  'edge/prometheus':
    'one declaration per metric: test/deploy/prometheus.test.ts scrapes them with the real tool',
  'edge/program': 'a name',
  'edge/tls': 'reads two files at the start: the deploy suite serves TLS with them',
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
const tests = new Set(
  ['unit', 'integration', 'faults'].flatMap((name) => filesUnder(`test/${name}`, '.test.ts')),
)
const integrationTests = new Set(filesUnder('test/integration', '.test.ts').map((file) => basename(file)))
const excused = [...Object.values(TESTED_THROUGH).flat(), ...Object.keys(EXCEPTIONS)]

/** edge/route/router has test/unit/edge/route/router.test.ts, or test/integration/router.test.ts. */
function hasTest(name: string): boolean {
  return tests.has(`test/unit/${name}.test.ts`) || integrationTests.has(`${basename(name)}.test.ts`)
}

describe('the tree', () => {
  it('has a test of its name for every source file', () => {
    const untested = sources.filter(
      (file) => !hasTest(nameOf(file)) && !excused.includes(nameOf(file)) && !isTypesOnly(file),
    )
    expect(untested, 'add a test, or an exception with its reason').to.deep.equal([])
  })

  it('has no exception that is not needed, or stands twice', () => {
    const needless = excused.filter(
      (name, at) => !names.has(name) || hasTest(name) || excused.indexOf(name) !== at,
    )
    expect(needless).to.deep.equal([])
  })

  it('has the tests that exceptions name', () => {
    expect(Object.keys(TESTED_THROUGH).filter((file) => !tests.has(`test/${file}`))).to.deep.equal([])
  })

  it('gives a reason for each other exception', () => {
    for (const [file, reason] of Object.entries(EXCEPTIONS)) expect(reason, file).to.match(/\w+ \w+/)
  })
})
