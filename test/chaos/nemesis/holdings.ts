import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Holding } from '../../support/checker/history.js'
import type { Rig } from './rig.js'

const LEFT_MS_MAX = 15_000
const EVERY_MS = 500
const MIB = 1024 * 1024
const PROGRAM_MIB_MAX = 512
const REDIS_MIB_MAX = 256

/** What the cluster holds once all sessions have been closed (I8). */
export async function holdingsOf(rig: Rig): Promise<Holding[]> {
  return [...(await leftovers(rig)), ...memory(rig), ...(await redisMemory(rig))]
}

/** Nothing of a session may be left, a moment after the last one. */
async function leftovers({ cluster }: Rig): Promise<Holding[]> {
  const names = ['connections', 'subscriptions', 'tokens_tracked']
  let left: Holding[] = []
  for (let waitedMs = 0; waitedMs < LEFT_MS_MAX; waitedMs += EVERY_MS) {
    const values = await Promise.all(names.map((name) => cluster.metric(name)))
    left = names.map((what, i) => ({ what: `${what} after the last close`, value: values[i]!, max: 0 }))
    if (left.every(({ value }) => value === 0)) break
    await sleep(EVERY_MS)
  }
  return left
}

function memory({ cluster: { edges, ingests } }: Rig): Holding[] {
  const processes = [
    ...ingests.map(({ pid }) => ['an ingest', pid] as const),
    ...edges.flatMap((edge) => [
      ['an edge primary', edge.program.pid] as const,
      ...edge.workerPids().map((pid) => ['an edge worker', pid] as const),
    ]),
  ]
  return processes.map(([name, pid]) => ({
    what: `peak memory of ${name} in MiB`,
    value: peakMib(pid),
    max: PROGRAM_MIB_MAX,
  }))
}

async function redisMemory(rig: Rig): Promise<Holding[]> {
  const infos = await rig.brokers.withRedis((redis) => redis.info('memory'))
  return infos.map((info) => {
    const [, bytes] = /used_memory:(\d+)/.exec(info) ?? []
    return { what: 'memory of Redis in MiB', value: Math.round(Number(bytes) / MIB), max: REDIS_MIB_MAX }
  })
}

function peakMib(pid: number): number {
  const [, kib] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Math.round(Number(kib) / 1024)
}
