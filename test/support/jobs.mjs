/**
 * Runs test files, a few at a time, each in a mocha of its own: what one file leaves in its process (or a file
 * that cannot be loaded) does not touch the others. Their output is printed as they end, in one piece each.
 */
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startGuarded, temporaryDirectory } from './guard.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const JOB_MS_MAX = 600_000
const JOBS_MAX = Math.min(2, availableParallelism())

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/**
 * @param {readonly (readonly string[])[]} jobs arguments of mocha, the longest job first
 * @param {NodeJS.ProcessEnv} env
 * @param {number} [atATime]
 * @returns {Promise<Counts>} of all jobs
 */
export async function runJobs(jobs, env, atATime = JOBS_MAX) {
  const waiting = [...jobs]
  const total = { passed: 0, failed: 0, skipped: 0 }
  const work = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const counts = await runJob(job, env)
      total.passed += counts.passed
      total.failed += counts.failed
      total.skipped += counts.skipped
    }
  }
  await Promise.all(Array.from({ length: atATime }, work))
  return total
}

/**
 * @param {readonly string[]} job
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Counts>}
 */
async function runJob(job, env) {
  const countsFile = join(await temporaryDirectory('counts'), 'counts.json')
  const args = ['node_modules/mocha/bin/mocha.js', '--config', 'test/support/built.mocharc.json', ...job]
  const began = performance.now()
  const mocha = startGuarded(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...env, WAZO_TEST_COUNTS: countsFile },
  })
  const timer = setTimeout(() => mocha.killGroup('SIGKILL'), JOB_MS_MAX)
  const { code, signal } = await mocha.exit
  clearTimeout(timer)
  await mocha.terminate('SIGKILL') // what it may have left in its group
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const end = signal === null ? '' : `, ended by ${signal}`
  console.log(`\n=== ${job.join(' ')} (${seconds} s${end})\n${mocha.output().trim()}`)
  return readCounts(countsFile, code)
}

/**
 * The counts that the reporter left; a mocha that ended without them, or badly in spite of them, has failed once.
 * @param {string} file
 * @param {number | null} status
 * @returns {Promise<Counts>}
 */
async function readCounts(file, status) {
  try {
    /** @type {Counts} */
    const counts = JSON.parse(await readFile(file, 'utf8'))
    return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}
