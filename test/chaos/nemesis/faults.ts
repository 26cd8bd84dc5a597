import { setTimeout as sleep } from 'node:timers/promises'
import type { Program } from '../../support/program.mjs'
import type { Upgrade } from '../checker/history.js'
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
const QUEUE_KEYS = '{wazo-ws}:token-expiry:*'

/** The client's side of the broker's connections of the ingests gets an exception on its consuming channel. */
const CLOSE_CONSUMING_CHANNELS = `
  Error = rabbit_misc:amqp_error(precondition_failed, "chaos", [], none),
  [begin
    I = rabbit_channel:info(P, [connection, number, consumer_count]),
    C = proplists:get_value(connection, I),
    Own = lists:keyfind(<<"connection_name">>, 1, element(2, hd(rabbit_reader:info(C, [client_properties])))),
    case (proplists:get_value(consumer_count, I) > 0) and (Own =:= false) of
      true -> C ! {channel_exit, proplists:get_value(number, I), Error};
      false -> ok
    end
  end || P <- rabbit_channel:list()].`

/** The host that a fault hits alone, or null. Known before it is injected. */
export function hostOf({ kind, aim }: Fault, hosts: number): number | null {
  return OF_ONE_HOST.has(kind) ? Math.floor(aim * hosts) : null
}

/** Injects a fault, and takes it away again; resolves when whatever was stopped has been started. */
export async function inject(fault: Fault, scene: Scene): Promise<void> {
  const { rig } = scene
  const { cluster } = rig
  const host = rig.hosts[hostOf(fault, rig.hosts.length) ?? 0]!
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
    case 'redis-restart':
      await cluster.redis.stop()
      await sleep(fault.lastsMs)
      return rig.restartRedis()
    case 'redis-crash':
    case 'redis-empty':
      await cluster.redis.kill()
      await sleep(fault.lastsMs)
      return rig.restartRedis({ emptied: fault.kind === 'redis-empty' })
    case 'redis-freeze':
      cluster.redis.pause()
      await sleep(fault.lastsMs)
      cluster.redis.resume()
      return
    case 'redis-clients':
      return killRedisClients(rig)
    case 'redis-half-open':
      host.wire.cut()
      await sleep(fault.lastsMs)
      return host.wire.heal()
    case 'amqp-reset':
      await rig.amqp.refuse()
      return rig.amqp.heal()
    case 'amqp-channel':
      await rig.rabbit.evaluate(CLOSE_CONSUMING_CHANNELS)
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
    case 'expiry-wiped':
      return wipeQueue(rig)
    case 'rabbit-restart':
      await rig.rabbit.kill('SIGTERM')
      await sleep(fault.lastsMs)
      rig.rabbit = await rig.rabbit.start()
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

async function killRedisClients(rig: Rig): Promise<void> {
  await rig.withRedis(async (redis) => {
    await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  })
}

async function wipeQueue(rig: Rig): Promise<void> {
  await rig.withRedis(async (redis) => {
    const names = await redis.keys(QUEUE_KEYS)
    if (names.length > 0) await redis.del(...names)
  })
}
