/**
 * `npm run bench:hot-path`: what log, chain, epochs, cursor and gap detection cost, in CPU per event, against a
 * publisher and a subscriber that send and read the same bytes with PUBLISH alone. Publisher, subscriber and Redis
 * are a process each; the ways take turns. Ends with status 1 when a measurement is invalid or the aim is missed.
 *
 * BENCH_ROUNDS, BENCH_SECONDS (of one measurement), BENCH_LOADS (a pattern of their names), BENCH_WAYS (some
 * of ours,minimal,intake) and BENCH_PROFILES (a folder for CPU profiles).
 */
import { Redis } from 'ioredis'
import { startRedis } from '../support/redis.mjs'
import { Peer } from './hot-path/peer.js'
import { LOADS, nameOf, WAYS, type ToPublisher, type ToSubscriber } from './hot-path/plan.js'
import { Table } from './hot-path/table.js'
import { InvalidError, Track } from './hot-path/track.js'

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5)
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 2.5)
/** A folder for a CPU profile of publisher and subscriber. */
const PROFILES = process.env['BENCH_PROFILES']
const ways = WAYS.filter((way) => (process.env['BENCH_WAYS'] ?? WAYS.join()).split(',').includes(way))
const ONLY = process.env['BENCH_LOADS'] ?? ''
/** What is not compiled yet is slower. */
const WARM_UP_ROUNDS = 1

const loads = LOADS.filter((load) => new RegExp(ONLY).test(nameOf(load)))
if (loads.length === 0) throw new Error(`BENCH_LOADS=${ONLY} matches no load's name`)
// At full speed a subscriber may fall behind by more than the default allows: Redis would cut it off.
const redis = await startRedis({ args: ['--client-output-buffer-limit', 'pubsub 0 0 0'] })
const client = new Redis(redis.url)
const publisher = new Peer<ToPublisher>('./publisher-program.ts', profiling('publisher'))
const subscriber = new Peer<ToSubscriber>('./subscriber-program.ts', profiling('subscriber'))
const track = new Track({ redis: client, url: redis.url, publisher, subscriber, seconds: SECONDS })
const table = new Table()
const invalid: string[] = []
for (const load of loads) {
  try {
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
      // Each of them goes first in its turn.
      const order = ways.map((_, i) => ways[(i + round + WARM_UP_ROUNDS) % ways.length]!)
      for (const way of order) {
        const cost = await track.measure(way, load)
        if (round >= 0) table.add(load, way, cost)
      }
    }
    table.print(load)
  } catch (error) {
    if (!(error instanceof InvalidError)) throw error
    invalid.push(error.message)
    console.error(`\n${nameOf(load)}: INVALID: ${error.message}`)
  }
}
await Promise.all([publisher.stop(), subscriber.stop()])
client.disconnect()
await redis.stop()
const met = table.verdict()
for (const why of invalid) console.error(`INVALID: ${why}`)
process.exitCode = met && invalid.length === 0 ? 0 : 1

/** V8 writes a profile of each thread when the process ends. */
function profiling(name: string): string[] {
  return PROFILES === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${PROFILES}/${name}`]
}
