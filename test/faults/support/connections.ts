import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const ESTABLISHED = '01'

/** The ports on this machine to which a process has TCP connections now, as Linux tells. */
export function connectedPorts(pid: number): Set<number> {
  const inodes = new Set(readdirSync(`/proc/${pid}/fd`).flatMap((fd) => inodeOf(`/proc/${pid}/fd/${fd}`)))
  const [, ...lines] = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').trim().split('\n')
  const ports = lines.flatMap((line) => {
    const [, , remote, state, , , , , , inode] = line.trim().split(/\s+/)
    if (state !== ESTABLISHED || !inodes.has(inode ?? '')) return []
    return Number.parseInt(remote!.split(':')[1]!, 16)
  })
  return new Set(ports)
}

function inodeOf(link: string): string[] {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(link))?.slice(1) ?? []
  } catch {
    return [] // closed meanwhile
  }
}
