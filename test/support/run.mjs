/**
 * `npm test`: installs what is missing, builds, starts one private RabbitMQ for the run, and runs every test
 * against the built programs, with coverage. Ends with a line per failure, and one line: `N passed, N failed`.
 *
 * `npm run test:faults`, which is `--faults`: the same for test/faults, without coverage, most of them one at a time.
 *
 * `npm run test:node24`, which is `--node24`: some of both on the Node that the Debian package brings along, without coverage.
 *
 * `npm test -- test/unit/ingest/*.test.ts --grep canary` runs what mocha selects by these arguments, without
 * coverage.
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeRuntime } from '../../deploy/debian/node-runtime.mjs'
import { judgeCoverage } from './coverage.mjs'
import { ensureDebian, ensureNode, ensureNpm, orExplain } from './install.mjs'
import { runJobs, sum } from './jobs.mjs'
import { startRabbit } from './rabbitmq.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const COVERAGE = join(ROOT, 'coverage')
const RAW_COVERAGE = join(COVERAGE, 'tmp')
const FAULTS = '--faults'
const NODE_24 = '--node24'
const UNIT = 'test/unit/**/*.test.ts'
const SUITES = ['contract', 'deploy', 'integration']
/** They start first: what starts last leaves a core idle while it runs. */
const LONGEST = ['integration/resume', 'contract/about-broken-servers', 'integration/transfer'].map(fileOf)
/** What depends on the version of Node: sockets that pass between processes, the wire, and all pure code. */
const ON_NODE_24 = [
  [UNIT],
  [fileOf('faults/upgrade-handover'), '--grep', 'closes no session'],
  ...[
    'integration/transfer',
    'contract/close',
    'contract/connect',
    'contract/delivery',
    'contract/messages',
  ].map((name) => [fileOf(name)]),
]
/** Faults whose tests measure no delay, or seconds of it, and no memory: two at a time, the longest first. */
const PATIENT = [
  ...['upgrade-workers', 'chaos', 'rabbitmq-bindings', 'partitions', 'rabbitmq-connections', 'redis-cluster'],
  ...['token-recheck', 'auth-clock', 'redis-access', 'canary', 'partitions-start', 'rabbitmq-oddities'],
  ...['redis-refusals', 'redis-cluster-outage', 'redis-log-bounds', 'redis-shared', 'positions'],
].map((name) => fileOf(`faults/${name}`))
const REPORT = [
  ...['node_modules/c8/bin/c8.js', 'report', '--all', '--merge-async', '--src', 'packages'],
  ...['--include', 'packages/*/dist/**/*.js', '--reporter', 'text-summary', '--reporter', 'json-summary'],
  ...['--reporter', 'html', '--reports-dir', COVERAGE, '--temp-directory', RAW_COVERAGE],
]

/**
 * Runs a program in the foreground.
 * @param {readonly string[]} args of Node
 * @param {string} [binary] another Node than this one
 * @returns {Promise<number>} its exit status
 */
function node(args, binary = process.execPath) {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, args, { cwd: ROOT, stdio: 'inherit' })
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 1))
  })
}

/** @param {string} name @returns {string} */
function fileOf(name) {
  return join('test', `${name}.test.ts`)
}

/** @returns {string[]} every file that needs real components, and the pattern of all unit tests */
function everyFile() {
  return [...new Set([...LONGEST, ...SUITES.flatMap(filesOf), UNIT])]
}

/** @param {string} suite */
function filesOf(suite) {
  return readdirSync(join(ROOT, 'test', suite), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .sort()
    .map((file) => join('test', suite, file))
}

/**
 * @param {readonly string[]} selected arguments for mocha
 * @returns {Promise<import('./jobs.mjs').Counts>}
 */
async function test(selected) {
  if ((await node(['node_modules/typescript/bin/tsc', '-b'])) !== 0)
    return { passed: 0, failed: 1, skipped: 0, complaints: ['the build failed'] }
  const rabbit = await startRabbit()
  try {
    if (selected[0] === FAULTS) return await testFaults(rabbit.environment)
    if (selected[0] === NODE_24) return await runJobs(ON_NODE_24, rabbit.environment)
    if (selected.length > 0) return await runJobs([jobOf(selected)], rabbit.environment)
    await rm(COVERAGE, { recursive: true, force: true })
    const counts = await runFiles(everyFile(), { ...rabbit.environment, NODE_V8_COVERAGE: RAW_COVERAGE })
    await node(REPORT)
    const coverage = await judgeCoverage(join(COVERAGE, 'coverage-summary.json'))
    console.log(coverage.lines.join('\n'))
    const { complaints } = counts
    return {
      ...counts,
      failed: counts.failed + coverage.failed,
      complaints: coverage.failed > 0 ? [...complaints, 'the coverage is below its bounds'] : complaints,
    }
  } finally {
    await rabbit.stop()
  }
}

/**
 * The impatient ones one at a time: what they measure are delays, and what they break is a whole cluster.
 * @param {NodeJS.ProcessEnv} env
 */
async function testFaults(env) {
  const together = await runFiles(PATIENT, env)
  const alone = filesOf('faults').filter((file) => !PATIENT.includes(file))
  return sum([together, await runFiles(alone, env, 1)])
}

/**
 * @param {readonly string[]} files
 * @param {NodeJS.ProcessEnv} env
 * @param {number} [atATime]
 */
function runFiles(files, env, atATime) {
  return runJobs(
    files.map((file) => [file]),
    env,
    atATime,
  )
}

/** @param {readonly string[]} selected */
function jobOf(selected) {
  const namesFiles = selected.some((argument) => argument.endsWith('.ts'))
  return namesFiles ? selected : [UNIT, ...SUITES.map((suite) => `test/${suite}/**/*.test.ts`), ...selected]
}

await orExplain(async () => {
  ensureNode()
  await ensureDebian([
    ...['redis-server', 'rabbitmq-server', 'nginx', 'haproxy', 'promtool', 'amtool', 'openssl', 'chromium'],
  ])
  await ensureNpm()
})
const selected = process.argv.slice(2)
if (selected[0] === NODE_24 && !process.version.startsWith('v24.')) {
  const { binary } = await nodeRuntime()
  process.exit(await node(process.argv.slice(1), binary))
}
const { passed, failed, skipped, complaints } = await test(selected)
for (const line of complaints) console.log(`FAILED: ${line}`)
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
