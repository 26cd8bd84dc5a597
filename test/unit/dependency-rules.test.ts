import { execFile } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { temporaryDirectory } from '../support/guard.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const CONFIGURATION = join(ROOT, '.dependency-cruiser.cjs')
const rules = (createRequire(import.meta.url)(CONFIGURATION) as { forbidden: { name: string }[] }).forbidden

/** Rule, file, and the statement in it that the rule must refuse. */
const VIOLATIONS: readonly (readonly [rule: string, file: string, statement: string])[] = [
  ['domain', 'shared/src/domain/reads-files.ts', "import 'node:fs'"],
  ['domain', 'shared/src/domain/parses.ts', "import 'zod'"],
  ['domain', 'shared/src/domain/tells-time.ts', "import '../runtime/clock.js'"],
  ['domain-types', 'shared/src/domain/takes-a-clock.ts', "import type { Clock } from '../runtime/clock.js'"],
  ['runtime', 'shared/src/runtime/serves.ts', "import 'ws'"],
  ['runtime-types', 'shared/src/runtime/takes-a-socket.ts', "import type { WebSocket } from 'ws'"],
  ['auth', 'edge/src/auth/delivers.ts', "import '../route/router.js'"],
  ['auth-types', 'edge/src/auth/takes-a-socket.ts', "import type { WebSocket } from 'ws'"],
  ['bus', 'edge/src/bus/routes.ts', "import '../route/router.js'"],
  ['bus-types', 'edge/src/bus/knows-a-router.ts', "import type { Router } from '../route/router.js'"],
  ['redis', 'shared/src/redis/configures.ts', "import '../config/schema.js'"],
  ['redis-types', 'shared/src/redis/takes-a-socket.ts', "import type { WebSocket } from 'ws'"],
  ['config', 'shared/src/config/connects.ts', "import 'ioredis'"],
  ['config-types', 'shared/src/config/takes-a-socket.ts', "import type { WebSocket } from 'ws'"],
  ['admin', 'edge/src/admin/starts-a-session.ts', "import '../session/session.js'"],
  ['admin-types', 'edge/src/admin/knows-a-router.ts', "import type { Router } from '../route/router.js'"],
  ['ctl', 'edge/src/ctl/starts-a-session.ts', "import '../session/session.js'"],
  ['ctl-types', 'edge/src/ctl/takes-a-socket.ts', "import type { WebSocket } from 'ws'"],
  ['deliver', 'edge/src/deliver/starts-a-session.ts', "import '../session/session.js'"],
  ['deliver-types', 'edge/src/deliver/knows-a-session.ts', "import type { S } from '../session/session.js'"],
  ['drain', 'edge/src/drain/starts-a-session.ts', "import '../session/session.js'"],
  ['drain-types', 'edge/src/drain/takes-a-socket.ts', "import type { WebSocket } from 'ws'"],
  ['handover', 'edge/src/handover/starts-a-session.ts', "import '../session/session.js'"],
  [
    'handover-types',
    'edge/src/handover/knows-a-router.ts',
    "import type { Router } from '../route/router.js'",
  ],
  ['route', 'edge/src/route/times.ts', "import '@wazo-websocketd/shared/runtime/clock'"],
  ['route-types', 'edge/src/route/knows-a-session.ts', "import type { S } from '../session/session.js'"],
  ['session', 'edge/src/session/connects.ts', "import 'ioredis'"],
  ['session', 'edge/src/session/listens.ts', "import 'node:http'"],
  ['session', 'edge/src/session/routes.ts', "import '../route/router.js'"],
  ['session-types', 'edge/src/session/takes-a-socket.ts', "import type { WebSocket } from 'ws'"],
  ['session-types', 'edge/src/session/takes-a-request.ts', "import type { R } from 'node:http'"],
  ['socket', 'edge/src/socket/connects.ts', "import 'ioredis'"],
  ['socket-types', 'edge/src/socket/knows-a-router.ts', "import type { Router } from '../route/router.js'"],
  ['process', 'edge/src/process/starts-a-session.ts', "import '../session/session.js'"],
  ['process-types', 'edge/src/process/takes-a-socket.ts', "import type { WebSocket } from 'ws'"],
  ['client', 'edge/src/client/starts-a-session.ts', "import '../session/session.js'"],
  ['client-types', 'edge/src/client/knows-a-session.ts', "import type { S } from '../session/session.js'"],
  ['console', 'edge/src/console/starts-a-session.ts', "import '../session/session.js'"],
  ['console-types', 'edge/src/console/knows-a-session.ts', "import type { S } from '../session/session.js'"],
  ['ingest', 'ingest/src/serves.ts', "import 'ws'"],
  ['ingest-types', 'ingest/src/takes-a-socket.ts', "import type { WebSocket } from 'ws'"],
  ['edge-never-ingest', 'edge/src/main.ts', "import '@wazo-websocketd/ingest/normalise/normalise'"],
  ['ingest-never-edge', 'ingest/src/main.ts', "import '@wazo-websocketd/edge/route/router'"],
  [
    'configuration-in-roots-only',
    'ingest/src/configures.ts',
    "import '@wazo-websocketd/shared/config/schema'",
  ],
  ['source-never-test', 'edge/src/worker.ts', "import '../../../test/support/client.js'"],
  ['declared', 'shared/src/runtime/undeclared.ts', "import 'yaml'"],
  ['no-circular', 'ingest/src/circle-a.ts', "import './circle-b.js'"],
  ['resolvable', 'ingest/src/lost.ts', "import '@wazo-websocketd/shared/domain/nowhere'"],
]

/** What the statements above may resolve to; nothing in it is forbidden. */
const CONFORMING: Readonly<Record<string, string>> = {
  'packages/shared/src/domain/event.ts': 'export interface BusEvent { name: string }',
  'packages/shared/src/runtime/clock.ts':
    "import 'node:perf_hooks'\nexport interface Clock { now(): number }",
  'packages/shared/src/config/schema.ts': "import 'zod'",
  'packages/edge/src/route/router.ts':
    "import type { BusEvent } from '@wazo-websocketd/shared/domain/event'\nexport interface Router { e: BusEvent }",
  'packages/edge/src/session/session.ts':
    "import '@wazo-websocketd/shared/runtime/clock'\nimport type { Logger } from 'pino'\n" +
    "import type { Router } from '../route/router.js'\nexport interface S { r: Router; l: Logger }",
  'packages/edge/src/socket/server.ts': "import 'ws'\nimport 'node:http'\nimport '../session/session.js'",
  'packages/ingest/src/normalise/normalise.ts':
    "import 'amqplib'\nimport '@wazo-websocketd/shared/domain/event'",
  'packages/ingest/src/circle-b.ts': "import './circle-a.js'",
  'test/support/client.ts': 'export {}',
}

const DEPENDENCIES: Readonly<Record<string, readonly string[]>> = {
  shared: ['zod'],
  edge: ['@wazo-websocketd/shared', '@wazo-websocketd/ingest', 'ws', 'ioredis', 'pino'],
  ingest: ['@wazo-websocketd/shared', '@wazo-websocketd/edge', 'amqplib', 'ws'],
}

describe('dependency rules', function () {
  this.timeout(60_000)
  let violations: { from: string; rule: { name: string } }[]

  before('cruise a tree in which every rule is broken', async () => {
    const tree = await temporaryDirectory('tree')
    await plant(tree)
    const { stdout } = await cruise(tree)
    violations = (JSON.parse(stdout) as { summary: { violations: typeof violations } }).summary.violations
  })

  for (const [rule, file, statement] of VIOLATIONS)
    it(`"${rule}" refuses ${statement} in ${file}`, () => {
      const broken = violations.filter(({ from }) => from === `packages/${file}`).map(({ rule }) => rule.name)
      expect(broken).to.include(rule)
    })

  it('lets conforming imports pass', () => {
    const files = violations.map(({ from }) => from)
    const conforming = Object.keys(CONFORMING).filter((file) => !file.includes('circle'))
    expect(files.filter((file) => conforming.includes(file))).to.deep.equal([])
  })

  it('has a violation above for each of its rules', () => {
    expect(VIOLATIONS.map(([rule]) => rule)).to.include.members(rules.map(({ name }) => name))
  })
})

async function plant(tree: string): Promise<void> {
  const files: Record<string, string> = { ...CONFORMING }
  for (const [, file, statement] of VIOLATIONS) files[`packages/${file}`] = statement
  for (const name of ['zod', 'yaml', 'ws', 'ioredis', 'amqplib', 'pino']) {
    files[`node_modules/${name}/package.json`] = JSON.stringify({ name, version: '1.0.0', main: 'index.js' })
    files[`node_modules/${name}/index.js`] = ''
  }
  for (const [name, dependencies] of Object.entries(DEPENDENCIES))
    files[`packages/${name}/package.json`] = JSON.stringify({
      name: `@wazo-websocketd/${name}`,
      type: 'module',
      exports: { './*': { source: './src/*.ts' } },
      dependencies: Object.fromEntries(dependencies.map((dependency) => [dependency, '*'])),
    })
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(tree, file)), { recursive: true })
    await writeFile(join(tree, file), text)
  }
  await mkdir(join(tree, 'node_modules/@wazo-websocketd'))
  for (const name of Object.keys(DEPENDENCIES))
    await symlink(`../../packages/${name}`, join(tree, 'node_modules/@wazo-websocketd', name))
}

function cruise(tree: string): Promise<{ stdout: string }> {
  const command = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
  const args = [command, '--config', CONFIGURATION, '--output-type', 'json', 'packages']
  // It ends with the number of errors it found.
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: tree, maxBuffer: 1 << 26 }, (_error, stdout) =>
      resolve({ stdout }),
    )
  })
}
