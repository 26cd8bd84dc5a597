import { partitionOf } from '@wazo-websocketd/shared/domain/event'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import { expect } from 'chai'
import { Cluster } from '../support/cluster.js'
import { Load } from '../support/load.js'
import { numbered } from '../support/numbered.js'
import { CUTS, Resuming } from '../support/resuming.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { tenantOf } from './support/partitions.js'

const PER_TENANT_PER_SECOND = 60
const CLIENTS_PER_TENANT = 6
const MASTERS = 3
/** `CUTTING_MS=600000` cuts for ten minutes. */
const CUTTING_MS = Number(process.env['CUTTING_MS'] ?? 20_000)
const CUT_EVERY_MS = 60
const FROZEN_MS_MAX = 4_000
const ARRIVAL_MS_MAX = 40_000
const HANDED_OVER_MS_MAX = 60_000
const FLAWLESS = { lost: 0, doubled: 0, disordered: 0 }

for (const partitions of [1, 3])
  describe(`clients with positions whose connections are cut at random, partitions: ${partitions}`, function () {
    this.timeout(CUTTING_MS + 180_000)
    let cluster: Cluster
    const tenants = Array.from({ length: 3 }, (_, i) => tenantOf(i % partitions, partitions)).map(
      (tenant, i) => (partitions === 1 ? tenant.replace(/^0/, String(i)) : tenant),
    )
    const clients: Resuming[] = []
    const masters: Resuming[] = []
    let loads: Load[] = []

    before(async () => {
      cluster = await Cluster.start({ name: `positions-${partitions}`, config: { redis: { partitions } } })
    })

    after(() => cluster.stop())

    it('get every event once and in order, through resets, half frames, freezes, an upgrade and a killed worker', async () => {
      const host = () => cluster.edges[Math.floor(Math.random() * cluster.edges.length)]!
      for (const tenant of tenants)
        for (let i = 0; i < CLIENTS_PER_TENANT; i++)
          clients.push(await new Resuming(cluster.auth.mint({ tenant }).token, host, ['numbered']).start())
      for (let i = 0; i < MASTERS; i++) {
        const { token } = cluster.auth.mint({ tenant: cluster.auth.masterTenant })
        masters.push(await new Resuming(token, host, ['numbered']).start())
      }
      loads = tenants.map((tenant) => new Load(cluster.publisher, PER_TENANT_PER_SECOND, () => ({ tenant })))
      const all = [...clients, ...masters]
      let cuts = 0
      const frozen: Promise<void>[] = []
      const cutting = (async () => {
        const until = performance.now() + CUTTING_MS
        while (performance.now() < until) {
          const victim = all[Math.floor(Math.random() * all.length)]!
          const how = CUTS[cuts++ % CUTS.length]!
          frozen.push(victim.cut(how, Math.random() * FROZEN_MS_MAX))
          await sleep(CUT_EVERY_MS)
        }
      })()
      await sleep(CUTTING_MS / 4)
      cluster.edges[0]!.program.kill('SIGHUP')
      await sleep(CUTTING_MS / 4)
      process.kill(cluster.edges[1]!.workerPids()[0]!, 'SIGKILL')
      await cutting
      await Promise.all(frozen)
      await waitFor(() => /all workers are replaced/.test(cluster.edges[0]!.program.logs()), {
        timeoutMs: HANDED_OVER_MS_MAX,
        what: 'the upgrade to end',
      })
      const sent = await Promise.all(loads.map((load) => load.stop()))
      const reached = ({ tallies }: Resuming, mine: readonly number[]) =>
        mine.every((i) => (tallies.get(tenants[i]!)?.reached ?? 0) >= sent[i]!)
      const of = (at: number) =>
        at < clients.length ? [Math.floor(at / CLIENTS_PER_TENANT)] : tenants.map((_, i) => i)
      await waitFor(() => all.every((client, at) => reached(client, of(at))), {
        timeoutMs: ARRIVAL_MS_MAX,
        what: 'the last events',
      }).catch(() => undefined)
      await sleep(300) // for what should not come
      await Promise.all(all.map((client) => client.end()))
      const verdicts = all.map((client, at) =>
        of(at).map((i) => client.tallies.get(tenants[i]!)?.verdict(sent[i]!)),
      )
      expect(verdicts).to.deep.equal(all.map((_, at) => of(at).map(() => FLAWLESS)))
      const again = all.flatMap(({ starts }) => starts.slice(1))
      console.log(`      ${cuts} cuts, ${again.length} resumed, ${sent.join(' + ')} events`)
      expect(again.filter(({ resumed }) => !resumed)).to.deep.equal([])
      expect(again.length).to.be.above(cuts / 4)
      expect(
        all.flatMap(({ codes }) => codes).filter((code) => code === 1011 || code === 1013),
      ).to.deep.equal([])
    })

    it('are told when the log does not reach back, and begin where the bus is', async () => {
      const [tenant] = tenants as [string]
      const { token } = cluster.auth.mint({ tenant })
      const first = await cluster.connect(token, { query: 'resume=' }).start('*')
      await cluster.publisher.publish(...[1, 2, 3].map((n) => numbered(n, { tenant })))
      await first.next()
      const { id } = await first.next()
      await first.close()
      const redis = cluster.openRedis()
      await redis.xtrim(keys('wazo-ws', partitionOf(tenant, partitions)).log, 'MAXLEN', '=', 0)
      redis.disconnect()
      await cluster.publisher.publish(numbered(4, { tenant }))
      // What this worker still keeps of the log serves a returning client as well.
      await sleep(4_000)
      const back = cluster.connect(token, { query: `resume=${id as string}` })
      for (const op of ['init', 'start']) {
        if (op === 'start') back.send({ op: 'start' })
        const { data } = await back.next()
        if (op === 'start') expect(data).to.deep.include({ resumed: false, why: 'too old' })
      }
      await back.close()
    })
  })
