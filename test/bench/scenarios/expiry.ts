/** The queue of token expiry: `npm run bench:expiry` as it is, and how late jobs are told when very many wait. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { lateness } from './lateness.js'
import type { Scenario } from './scenario.js'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const SHARE = /our module's throughput by (wallMs|cpuMs): ([\d.]+) of "(.*)"/g

export const expiry: Scenario = async ({ plan, figures, say }) => {
  const args = ['--expose-gc', '--import', './test/support/source.mjs', '--conditions=source']
  const child = spawn(process.execPath, [...args, 'test/bench/expiry.bench.ts'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, BENCH_TOKENS: String(plan.expiryTokens), BENCH_ROUNDS: String(plan.expiryRounds) },
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child, 'close')
  const shares = sharesIn(output)
  if (Object.keys(shares).length === 0) figures.fault('expiry', 'ours', `no figures: ${output.slice(-500)}`)
  // It ends with an error when a token has not exactly one job.
  else figures.add('expiry', 'ours', { tokens: plan.expiryTokens, 'jobs per token': 1, ...shares })
  figures.add('expiry lateness', 'ours', await lateness(plan))
  say('expiry done')
}

/** The shares of BullMQ's throughput that bench:expiry printed, by what they are of. */
export function sharesIn(output: string): Record<string, number> {
  const shares: Record<string, number> = {}
  for (const [, by, share, of] of output.matchAll(SHARE))
    shares[`${by === 'wallMs' ? 'throughput' : 'CPU'} vs ${of}`] = Number(share)
  return shares
}
