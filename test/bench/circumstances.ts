import { createRequire } from 'node:module'
import { cpus, totalmem } from 'node:os'

const require = createRequire(import.meta.url)
const LIBRARIES = ['ws', 'socket.io', '@socket.io/redis-adapter', 'amqplib', 'ioredis', 'bullmq']
const GIB = 1024 ** 3

export function machine(): string {
  const [first, ...others] = cpus()
  return `${others.length + 1} x ${first?.model.trim() ?? 'unknown CPU'}, ${Math.round(totalmem() / GIB)} GiB`
}

/** Of Node.js and of what is compared. */
export function versions(): Record<string, string> {
  const found: Record<string, string> = { node: process.version }
  for (const name of LIBRARIES) {
    // Not every package lets its package.json be required.
    const paths = require.resolve.paths(name) ?? []
    for (const path of paths) {
      try {
        found[name] ??= (require(`${path}/${name}/package.json`) as { version: string }).version
      } catch {
        continue // in another of the directories
      }
    }
  }
  return found
}
