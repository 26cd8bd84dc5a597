/** All edges and ingests of the installation, by their connections to Redis: no program has to keep a list. */
import { mastersOf, type RedisClient } from '@wazo-websocketd/shared/redis/client'
import { parseConnectionName } from '@wazo-websocketd/shared/redis/client-name'

export interface ClusterProgram {
  readonly kind: 'edge worker' | 'ingest'
  /** The address from which it is connected. */
  readonly host: string
  readonly version: string
  readonly count: number
}

/** Of their connections each process has exactly one of this role. */
const KINDS: ReadonlyMap<string, ClusterProgram['kind']> = new Map([
  ['expiry', 'edge worker'],
  ['publisher', 'ingest'],
])

/** @throws what Redis says, such as NOPERM where the user may not ask. */
export async function clusterPrograms(client: RedisClient): Promise<readonly ClusterProgram[]> {
  const servers = mastersOf(client)
  const lists = await Promise.all(
    servers.map(async (server) => countPrograms(String(await server.client('LIST')))),
  )
  const most = new Map<string, ClusterProgram>()
  // In a cluster a program is connected to several nodes: each counts once.
  for (const list of lists)
    for (const program of list) {
      const key = programKey(program)
      if ((most.get(key)?.count ?? 0) < program.count) most.set(key, program)
    }
  return [...most.values()].sort((a, b) => (programKey(a) < programKey(b) ? -1 : 1))
}

/** What the answer to CLIENT LIST says. */
export function countPrograms(list: string): readonly ClusterProgram[] {
  const found = new Map<string, ClusterProgram>()
  for (const line of list.split('\n')) {
    const [, address = ''] = / addr=(\S+)/.exec(line) ?? []
    const [, name = ''] = / name=(\S*)/.exec(line) ?? []
    const client = parseConnectionName(name)
    const kind = client === null ? undefined : KINDS.get(client.role)
    if (client === null || kind === undefined) continue
    const program = { kind, host: address.slice(0, address.lastIndexOf(':')), version: client.version }
    const key = programKey(program)
    found.set(key, { ...program, count: (found.get(key)?.count ?? 0) + 1 })
  }
  return [...found.values()]
}

function programKey({ kind, host, version }: Omit<ClusterProgram, 'count'>): string {
  return `${kind} ${host} ${version}`
}
