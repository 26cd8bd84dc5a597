import type { Environment } from './environment.js'

/** The environment of this process; the only place that reads it. */
export function processEnvironment(): Environment {
  return { ...process.env }
}
