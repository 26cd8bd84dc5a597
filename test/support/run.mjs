/**
 * `npm test`: installs what is missing, builds, starts one private RabbitMQ for the run, and runs every test
 * against the built programs, with coverage. Ends with one line: `N passed, N failed`.
 *
 * `npm test -- test/unit/ingest/*.test.ts --grep canary` runs what mocha selects by these arguments, without coverage.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { judgeCoverage } from './coverage.mjs'
import { temporaryDirectory } from './guard.mjs'
import { ensureDebian, ensureNode, ensureNpm, orExplain } from './install.mjs'
import { startRabbit } from './rabbitmq.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SUITES = ['unit', 'integration', 'contract', 'deploy'].map((suite) => `test/${suite}/**/*.test.ts`)
const COVERAGE = join(ROOT, 'coverage')
const C8 = [
  'node_modules/c8/bin/c8.js',
  ...['--all', '--merge-async', '--include', 'packages/*/dist/**/*.js', '--src', 'packages'],
  ...['--reporter', 'text-summary', '--reporter', 'json-summary', '--reporter', 'html'],
  ...['--reports-dir', COVERAGE, '--temp-directory', join(COVERAGE, 'tmp')],
]

/**
 * Runs a program in the foreground and gives its exit status.
 * @param {readonly string[]} args of Node
 * @param {Record<string, string>} [env]
 * @returns {Promise<number>}
 */
function node(args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      stdio: 'inherit',
      env: { ...process.env, ...env },
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 1))
  })
}

/**
 * @param {readonly string[]} selected arguments for mocha
 * @returns {Promise<{ passed: number, failed: number, skipped: number }>}
 */
async function test(selected) {
  const failed = { passed: 0, failed: 1, skipped: 0 }
  await rm(COVERAGE, { recursive: true, force: true })
  if ((await node(['node_modules/typescript/bin/tsc', '-b'])) !== 0) return failed
  const rabbit = await startRabbit()
  const countsFile = join(await temporaryDirectory('counts'), 'counts.json')
  const specs = selected.some((argument) => argument.endsWith('.ts')) ? selected : [...SUITES, ...selected]
  const mocha = ['node_modules/mocha/bin/mocha.js', '--config', 'test/support/built.mocharc.json', ...specs]
  const measured = selected.length === 0
  try {
    const env = { ...rabbit.environment, WAZO_TEST_COUNTS: countsFile }
    const status = await node(measured ? [...C8, process.execPath, ...mocha] : mocha, env)
    if (!existsSync(countsFile)) return failed
    const counts = JSON.parse(await readFile(countsFile, 'utf8'))
    if (status !== 0 && counts.failed === 0) counts.failed = 1
    if (!measured) return counts
    const coverage = await judgeCoverage(join(COVERAGE, 'coverage-summary.json'))
    console.log(coverage.lines.join('\n'))
    return { ...counts, failed: counts.failed + coverage.failed }
  } finally {
    await rabbit.stop()
  }
}

await orExplain(async () => {
  ensureNode()
  await ensureDebian(['redis-server', 'rabbitmq-server', 'nginx', 'promtool', 'openssl'])
  await ensureNpm()
})
const { passed, failed, skipped } = await test(process.argv.slice(2))
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
