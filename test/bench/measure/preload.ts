import { fileURLToPath } from 'node:url'
import { COLLECTABLE } from './memory.js'

const PROFILED = fileURLToPath(new URL('./profile.mjs', import.meta.url))

/** Environment of this project's programs: their memory can be cleaned up, and with BENCH_PROFILES they are profiled. */
export const PRELOAD: Readonly<Record<string, string>> = {
  NODE_OPTIONS:
    process.env['BENCH_PROFILES'] === undefined
      ? `--import=${COLLECTABLE}`
      : `--import=${COLLECTABLE} --import=${PROFILED}`,
}
