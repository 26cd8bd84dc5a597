import type { Usage } from './plan.js'

/** Starts measuring this process: call the answer for what was used since. */
export function measuring(): (fault: string | null) => Usage {
  const cpu = process.cpuUsage()
  const from = performance.now()
  return (fault) => {
    const { user, system } = process.cpuUsage(cpu)
    return { cpuUs: user + system, wallMs: performance.now() - from, fault }
  }
}
