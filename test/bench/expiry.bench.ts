/**
 * `npm run bench:expiry`: what it costs to give the cluster's timer a job for each of 100,000 tokens, through our
 * module and by BullMQ's `addBulk` alone, in turn on one Redis. Ends with status 1 when ours is too slow.
 */
import { dynamicRule } from '@wazo-websocketd/edge/auth/expiry/recheck-rule'
import type { TokenDetails, TokenId } from '@wazo-websocketd/shared/domain/identity'
import { hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { Redis } from 'ioredis'
import { randomUUID } from 'node:crypto'
import { distribution } from '../support/figures.js'
import { startRedis } from '../support/redis.mjs'
import { ourModule, plainAddBulk, SAME_WINDOWS, type Contestant } from './support/contestants.js'
import { measure, type Cost, type CostName } from './support/round.js'
import { expectEachOnce } from './support/stored-jobs.js'

const TOKENS = Number(process.env['BENCH_TOKENS'] ?? 100_000)
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5)
/** What is not compiled yet is slower. */
const WARM_UP_ROUNDS = 1
const LIFE_MS = 7_200_000
/** Of BullMQ's own throughput, by what it takes for all jobs at once. */
const SHARE_MIN = 0.85
const FLOOR = 'addBulk, one call'

const ways: Readonly<Record<string, (tokens: TokenDetails[]) => Promise<Contestant>>> = {
  'our module': (tokens) => ourModule(redis.url, tokens),
  'addBulk, same windows': (tokens) => plainAddBulk(redis.url, tokens, SAME_WINDOWS),
  // With two windows under way it is better still, but remembers no token meanwhile.
  [FLOOR]: (tokens) => plainAddBulk(redis.url, tokens, { windowJobs: TOKENS, windows: 1 }),
}
const OURS = 'our module'
const names = Object.keys(ways)
const others = names.filter((name) => name !== OURS)

const redis = await startRedis()
const client = new Redis(redis.url)
const costs = new Map<string, Cost[]>(names.map((name) => [name, []]))
for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
  // Each of them goes first in its turn.
  const order = names.map((_, i) => names[(i + round + names.length) % names.length]!)
  for (const name of order) {
    const cost = await compete(name)
    if (round >= 0) costs.get(name)?.push(cost)
  }
}
client.disconnect()
await redis.stop()
process.exitCode = report() ? 0 : 1

async function compete(name: string): Promise<Cost> {
  await client.flushall()
  const now = Date.now()
  const tokens = Array.from({ length: TOKENS }, () => tokenOf(now + LIFE_MS))
  const contestant = await ways[name]!(tokens)
  const cost = await measure(client, () => contestant.run())
  const jobs = tokens.map(({ token, expiresAt }) => {
    return { hash: hashToken(token), expiresAt, dueAt: now + dynamicRule(expiresAt - now) }
  })
  await expectEachOnce(client, jobs, Date.now() - now)
  contestant.close()
  return cost
}

function tokenOf(expiresAt: number): TokenDetails {
  const uuid = randomUUID()
  return {
    token: randomUUID() as TokenId,
    sessionUuid: uuid,
    userUuid: uuid,
    tenantUuid: uuid,
    admin: false,
    acl: ['websocketd', 'event.#'],
    expiresAt,
  }
}

/** Prints all figures; whether our module keeps up with the floor. */
function report(): boolean {
  console.log(`${TOKENS} tokens, ${ROUNDS} rounds; min / median / max`)
  for (const name of names) {
    const { wallMs, cpuMs, redisCpuMs, redisBytes } = {
      wallMs: spread(name, 'wallMs'),
      cpuMs: spread(name, 'cpuMs'),
      redisCpuMs: spread(name, 'redisCpuMs'),
      redisBytes: median(name, 'redisBytes') / TOKENS,
    }
    console.log(
      `${name}: wall ${wallMs} ms, CPU ${cpuMs} ms, CPU of Redis ${redisCpuMs} ms, ` +
        `${Math.round(redisBytes)} bytes of Redis per job`,
    )
  }
  let enough = true
  for (const other of others)
    for (const cost of ['wallMs', 'cpuMs'] as const) {
      const share = median(other, cost) / median(OURS, cost)
      console.log(`our module's throughput by ${cost}: ${share.toFixed(3)} of "${other}"`)
      if (other === FLOOR && share < SHARE_MIN) enough = false
    }
  return enough
}

function spread(name: string, cost: CostName): string {
  const { min, median, max } = distribution(costs.get(name)!.map((each) => each[cost]))
  return [min, median, max].map(Math.round).join(' / ')
}

function median(name: string, cost: CostName): number {
  return distribution(costs.get(name)!.map((each) => each[cost])).median
}
