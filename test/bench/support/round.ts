import type { Redis } from 'ioredis'

/** What a piece of work took. */
export interface Cost {
  /** From the first job until Redis has confirmed the last one. */
  readonly wallMs: number
  /** Of this process. */
  readonly cpuMs: number
  /** Of redis-server, to whose time measuring it adds next to nothing. */
  readonly redisCpuMs: number
  /** What Redis needs more than before. */
  readonly redisBytes: number
}

export type CostName = keyof Cost

/** Runs `work` on an empty Redis and measures it; memory is cleaned up before, where `--expose-gc` lets it. */
export async function measure(redis: Redis, work: () => Promise<void>): Promise<Cost> {
  globalThis.gc?.()
  const before = await redisState(redis)
  const cpu = process.cpuUsage()
  const from = performance.now()
  await work()
  const wallMs = performance.now() - from
  const { user, system } = process.cpuUsage(cpu)
  const after = await redisState(redis)
  return {
    wallMs,
    cpuMs: (user + system) / 1_000,
    redisCpuMs: after.cpuMs - before.cpuMs,
    redisBytes: after.bytes - before.bytes,
  }
}

async function redisState(redis: Redis): Promise<{ cpuMs: number; bytes: number }> {
  const text = `${await redis.info('cpu')}\n${await redis.info('memory')}`
  const field = (name: string): number => {
    const [, value] = new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text) ?? []
    if (value === undefined) throw new Error(`INFO of Redis has no ${name}`)
    return Number(value)
  }
  const cpuMs = 1_000 * (field('used_cpu_sys') + field('used_cpu_user'))
  return { cpuMs, bytes: field('used_memory') }
}
