import { setTimeout as sleep } from 'node:timers/promises'
import type { Program } from '../../support/program.mjs'
import type { Upgrade } from '../../support/checker/history.js'
import { OF_ONE_HOST } from './kinds.js'
import type { Host, Rig } from './rig.js'
import type { Fault } from './schedule.js'
import { killAtRandom, upgrade } from './upgrade.js'

/** What a fault needs to know besides the rig. */
export interface Scene {
  readonly rig: Rig
  /** The ingest whose batches go out, as far as is known. */
  readonly publishing: () => Program | undefined
  /** The addresses of the edge hosts have changed. */
  readonly moved: () => void
  /** Workers have been replaced, or not. */
  readonly upgraded: (upgrade: Upgrade) => void
}

/** Three of four times the one that publishes: the others' ends are less interesting. */
const PUBLISHING_SHARE = 0.75

/** The host that a fault hits alone, or null. Known before it is injected. */
export function hostOf({ kind, aim }: Fault, hosts: number): number | null {
  return OF_ONE_HOST.has(kind) ? Math.floor(aim * hosts) : null
}

/** Injects a fault, and takes it away again; resolves when whatever was stopped has been started. */
export async function inject(fault: Fault, scene: Scene): Promise<void> {
  const { rig } = scene
  const { cluster } = rig
  const number = hostOf(fault, rig.hosts.length) ?? 0
  const host = rig.hosts[number]!
  switch (fault.kind) {
    case 'ingest-kill':
      return rig.replaceIngest(victim(fault, scene))
    case 'ingest-freeze':
      return freeze(victim(fault, scene), fault.lastsMs)
    case 'ingests-dead':
      return allIngests(rig, fault.lastsMs)
    case 'worker-kill':
      await killAtRandom(host.edge, fault.aim)
      return
    case 'edge-upgrade':
      scene.upgraded(await upgrade(host.edge))
      return
    case 'edge-upgrade-kill':
      scene.upgraded(await upgrade(host.edge, fault))
      return
    case 'edge-restart':
      return restartEdge(host, fault.lastsMs, scene)
    case 'edge-kill':
      await rig.replaceEdge(host)
      scene.moved()
      return
    case 'auth-down':
    case 'auth-500':
    case 'auth-slow':
      cluster.auth.set({
        mode: fault.kind === 'auth-500' ? '500' : fault.kind === 'auth-down' ? 'down' : 'slow',
      })
      await sleep(fault.lastsMs)
      cluster.auth.set({ mode: 'ok' })
      return
    default: {
      const injected = rig.brokers.inject(fault, number)
      if (injected === null) throw new Error(`this lay-out does not know the fault ${fault.kind}`)
      return injected
    }
  }
}

function victim({ aim }: Fault, { rig, publishing }: Scene): Program {
  const { ingests } = rig.cluster
  const first = publishing()
  if (first !== undefined && aim < PUBLISHING_SHARE) return first
  return ingests[Math.floor(aim * ingests.length)]!
}

async function freeze(ingest: Program, ms: number): Promise<void> {
  ingest.kill('SIGSTOP')
  await sleep(ms)
  ingest.kill('SIGCONT')
}

async function allIngests(rig: Rig, ms: number): Promise<void> {
  const { ingests } = rig.cluster
  const count = ingests.length
  await Promise.all([...ingests].map((ingest) => rig.endIngest(ingest)))
  await sleep(ms)
  for (let started = 0; started < count; started++) await rig.startIngest()
}

/** As a supervisor does; its sessions have to be gone before it is. */
async function restartEdge(host: Host, ms: number, { rig, moved }: Scene): Promise<void> {
  const { code, signal } = await rig.endEdge(host)
  if (code !== 0) throw new Error(`an edge host ended with ${signal ?? `status ${code}`} on SIGTERM`)
  await sleep(ms)
  await rig.startEdgeAgain(host)
  moved()
}
