/** CPU time and memory of running processes, from /proc. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { processes } from '../../support/processes.mjs'

/** Ticks per second in which the kernel counts. */
const HERTZ = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
const US_PER_SECOND = 1_000_000
const KIB = 1024

/** User and system ticks in the text of /proc/PID/stat. The program's name, second, can hold any character. */
export function ticksOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

/** What the processes have used so far, in microseconds. Throws when one has ended. */
export function cpuUsOf(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) ticks += ticksOf(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  return (ticks * US_PER_SECOND) / HERTZ
}

/** Resident memory of the processes, in bytes. */
export function residentBytesOf(pids: readonly number[]): number {
  let bytes = 0
  for (const pid of pids) {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    bytes += Number(kib) * KIB
  }
  return bytes
}

/** A program and all that it has started in its process group. */
export function groupOf(leader: number): number[] {
  return processes()
    .filter(({ group }) => group === leader)
    .map(({ pid }) => pid)
}
