import { resolve } from './resolve.js'
import type { Config } from './schema.js'

/** The configuration that nobody has changed. */
export function defaultConfig(): Config {
  return resolve(new Map()).config
}
