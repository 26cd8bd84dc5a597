/** Looks at processes through /proc. */
import { readFileSync, readdirSync } from 'node:fs'

export interface Process {
  readonly pid: number
  readonly parent: number
  /** Ticks since the machine's start: tells a process from a later one with the same id. */
  readonly startedAt: string
  readonly command: string
}

function read(pid: number): Process | null {
  try {
    // The name, in parentheses, may hold anything; the other fields follow the last parenthesis.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z') return null // has ended; its parent has not looked yet
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    return { pid, parent: Number(fields[1]), startedAt: fields[19] ?? '', command }
  } catch {
    return null
  }
}

/** All processes that run now. */
export function processes(): Process[] {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))
  return pids.map((pid) => read(Number(pid))).filter((found) => found !== null)
}

/** What `pid` started and what that started, and so on; without what has been left to init. */
export function descendantsOf(pid: number): Process[] {
  const all = processes()
  const found: Process[] = []
  const parents = [pid]
  for (let parent = parents.pop(); parent !== undefined; parent = parents.pop())
    for (const child of all)
      if (child.parent === parent) {
        found.push(child)
        parents.push(child.pid)
      }
  return found
}

/** The workers of an edge: the Node processes that its primary started. */
export function workersOf(primary: number): number[] {
  const children = processes().filter(({ parent }) => parent === primary)
  return children.filter(({ command }) => /^\S*node /.test(command)).map(({ pid }) => pid)
}

/** Whether this very process (not a later one with its id) still runs. */
export function runs({ pid, startedAt }: Process): boolean {
  return read(pid)?.startedAt === startedAt
}
