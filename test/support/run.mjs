/**
 * `npm test`: installs what is missing, builds, starts one private RabbitMQ for the run, and runs every test
 * against the built programs, with coverage. Ends with a line per failure, and one line: `N passed, N failed`.
 *
 * `npm run test:faults`, which is `--faults`: the same for test/faults, one file at a time, without coverage.
 *
 * `npm test -- test/unit/ingest/*.test.ts --grep canary` runs what mocha selects by these arguments, without
 * coverage.
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { judgeCoverage } from './coverage.mjs'
import { ensureDebian, ensureNode, ensureNpm, orExplain } from './install.mjs'
import { runJobs } from './jobs.mjs'
import { startRabbit } from './rabbitmq.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const COVERAGE = join(ROOT, 'coverage')
const RAW_COVERAGE = join(COVERAGE, 'tmp')
const FAULTS = '--faults'
const UNIT = 'test/unit/**/*.test.ts'
/** In the order in which their files start: the longest first. */
const SUITES = ['contract', 'deploy', 'integration']
const REPORT = [
  ...['node_modules/c8/bin/c8.js', 'report', '--all', '--merge-async', '--src', 'packages'],
  ...['--include', 'packages/*/dist/**/*.js', '--reporter', 'text-summary', '--reporter', 'json-summary'],
  ...['--reporter', 'html', '--reports-dir', COVERAGE, '--temp-directory', RAW_COVERAGE],
]

/**
 * Runs a program in the foreground.
 * @param {readonly string[]} args of Node
 * @returns {Promise<number>} its exit status
 */
function node(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit' })
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 1))
  })
}

/** @returns {string[][]} a job per file that needs real components, and one for all unit tests */
function everyJob() {
  return [...SUITES.flatMap(filesOf).map((file) => [file]), [UNIT]]
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
    // One at a time: what they measure are delays, and what they break is a whole cluster.
    if (selected[0] === FAULTS)
      return await runJobs(
        filesOf('faults').map((file) => [file]),
        rabbit.environment,
        1,
      )
    if (selected.length > 0) return await runJobs([jobOf(selected)], rabbit.environment)
    await rm(COVERAGE, { recursive: true, force: true })
    const counts = await runJobs(everyJob(), { ...rabbit.environment, NODE_V8_COVERAGE: RAW_COVERAGE })
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

/** @param {readonly string[]} selected */
function jobOf(selected) {
  const namesFiles = selected.some((argument) => argument.endsWith('.ts'))
  return namesFiles ? selected : [UNIT, ...SUITES.map((suite) => `test/${suite}/**/*.test.ts`), ...selected]
}

await orExplain(async () => {
  ensureNode()
  await ensureDebian([
    ...['redis-server', 'rabbitmq-server', 'nginx', 'haproxy', 'promtool', 'openssl', 'chromium'],
  ])
  await ensureNpm()
})
const { passed, failed, skipped, complaints } = await test(process.argv.slice(2))
for (const line of complaints) console.log(`FAILED: ${line}`)
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
