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

/**
 * @typedef {{ passed: number, failed: number, skipped: number, complaints: readonly string[] }} Counts
 * `complaints`: a line per failure.
 */

/** What a shared machine does to a test happens once; what the program does wrong will happen again. */
const SECOND_TRIES_MAX = 3

/**
 * Jobs that fail run once more at the end, alone: then only what fails again counts, and what did not is still
 * printed as unsteady. With more than a few of them something is broken, and no second try is given.
 * @param {readonly (readonly string[])[]} jobs arguments of mocha, the longest job first
 * @param {NodeJS.ProcessEnv} env
 * @param {number} [atATime]
 * @returns {Promise<Counts>} of all jobs
 */
export async function runJobs(jobs, env, atATime = JOBS_MAX) {
  const waiting = [...jobs]
  /** @type {Counts[]} */
  const good = []
  /** @type {{ job: readonly string[], counts: Counts }[]} */
  const bad = []
  const work = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const counts = await runJob(job, env)
      if (counts.failed === 0) good.push(counts)
      else bad.push({ job, counts })
    }
  }
  await Promise.all(Array.from({ length: atATime }, work))
  if (bad.length > SECOND_TRIES_MAX) return sum([...good, ...bad.map(({ counts }) => counts)])
  for (const { job, counts } of bad) {
    const again = await runJob(job, env)
    if (again.failed === 0)
      for (const line of counts.complaints) console.log(`UNSTEADY, failed once: ${line}`)
    good.push(again)
  }
  return sum(good)
}

/**
 * @param {readonly Counts[]} all
 * @returns {Counts}
 */
export function sum(all) {
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const { passed, failed, skipped } of all) {
    total.passed += passed
    total.failed += failed
    total.skipped += skipped
  }
  return { ...total, complaints: all.flatMap(({ complaints }) => complaints) }
}

/**
 * @param {readonly string[]} job
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Counts>}
 */
async function runJob(job, env) {
  const countsFile = join(await temporaryDirectory('counts'), 'counts.json')
  const args = [
    // Here and not in mocha's configuration, by which it would start a second process.
    ...['--import', './test/support/built.mjs', 'node_modules/mocha/bin/mocha.js'],
    ...['--config', 'test/support/built.mocharc.json', ...job],
  ]
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
  return readCounts(countsFile, code, job.join(' '))
}

/**
 * The counts that the reporter left; a mocha that ended without them, or badly in spite of them, has failed once.
 * @param {string} file
 * @param {number | null} status
 * @param {string} name of the job
 * @returns {Promise<Counts>}
 */
async function readCounts(file, status, name) {
  const ended = [`${name}: ended with ${status === null ? 'a signal' : `status ${status}`}`]
  try {
    /** @type {Counts} */
    const counts = JSON.parse(await readFile(file, 'utf8'))
    return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1, complaints: ended } : counts
  } catch {
    return { passed: 0, failed: 1, skipped: 0, complaints: ended }
  }
}
