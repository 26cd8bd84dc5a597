/** What /proc knows of running processes; a zombie that nobody has reaped yet does not count. */
import { readdirSync, readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

/** @typedef {{ pid: number, group: number, command: string, environment: string[] }} Process */

/** @returns {Process[]} */
export function processes() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => describe(Number(name)) ?? [])
}

/** @param {number} pid @returns {Process | undefined} */
function describe(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // pid (name of the program, with any character) state parent group ...
    const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (state === 'Z' || state === 'X') return undefined
    return {
      pid,
      group: Number(group),
      command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
      environment: readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0'),
    }
  } catch {
    return undefined // ended meanwhile, or somebody else's
  }
}

/** @param {number} group */
export function groupIsAlive(group) {
  return processes().some((process) => process.group === group)
}

// node test/support/processes.mjs VARIABLE=VALUE: prints the processes that were started with it in their
// environment; the status says whether there are any.
if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const variable = process.argv[2] ?? ''
  const found = processes().filter(
    ({ pid, environment }) => pid !== process.pid && environment.includes(variable),
  )
  for (const { pid, command } of found) console.log(`${pid} ${command.slice(0, 200)}`)
  process.exitCode = found.length > 0 ? 1 : 0
}
