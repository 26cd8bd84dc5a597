import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { check } from '../support/checker/check.js'
import type { History, Upgrade } from '../support/checker/history.js'
import { Bus } from '../chaos/load/bus.js'
import { Catalogue, TENANTS } from '../support/scenario/catalogue.js'
import { now } from '../chaos/load/clock.js'
import { Random } from '../support/scenario/random.js'
import { RunRecord } from '../chaos/load/record.js'
import { RedisTap } from '../chaos/load/redis-tap.js'
import { upgrade } from '../chaos/nemesis/upgrade.js'
import { PLANTED } from '../chaos/planted/bugs.js'
import { Crook } from '../chaos/planted/crook.js'
import { Population } from '../chaos/planted/population.js'
import { Cluster } from '../support/cluster.js'
import { MASTER_TENANT } from '../support/auth.mjs'
import { sharedRabbit } from '../support/rabbitmq.mjs'
import { waitFor } from '../support/wait.mjs'

const EVENTS_PER_SECOND = 80
const LOAD_MS = 4500
/** After the hand-over, so that there is something to tamper with. */
const LOAD_AFTER_MS = 1000
/** Until the session that overstays has ended, and whatever is missing is overdue. */
const REST_MS = 5500
const DELIVERY_MS_MAX = 3000

describe('The checker at a real edge', function () {
  this.timeout(150_000)
  const catalogue = new Catalogue()
  const record = new RunRecord()
  const populations: Population[] = []
  const crooks: Crook[] = []
  let cluster: Cluster
  let bus: Bus
  let tap: RedisTap
  let endedAt: number
  let handover: Upgrade

  before(async () => {
    cluster = await Cluster.start({ name: 'planted', edges: 1, workers: 1 })
    const [vhost] = (await (await sharedRabbit()).ctl('list_vhosts'))
      .split('\n')
      .filter((name) => name.startsWith('planted'))
    bus = await Bus.open([`${(await sharedRabbit()).url}/${vhost!}`], record)
    tap = new RedisTap(cluster.redis.url)
    for (const { make } of [{ make: () => ({}) }, ...PLANTED]) {
      const crook = await Crook.before(cluster.edges[0]!.url, make())
      crooks.push(crook)
      populations.push(new Population(crook.url, cluster, record))
    }
    await Promise.all(populations.map((population) => population.open()))
    const replaced = sleep(2400).then(handOver)
    await Promise.all([load(replaced), sleep(1200).then(revoke), sleep(1800).then(openLate)])
    await sleep(REST_MS)
    await waitFor(() => record.stream.at(-1)?.id === bus.lastConfirmed, { what: 'the whole bus to be read' })
    endedAt = now()
    await Promise.all(populations.map((population) => population.close()))
  })

  after(async () => {
    await tap.stop()
    await bus.close()
    await Promise.all(crooks.map((crook) => crook.stop()))
    await cluster.stop()
  })

  /** The whole way of a SIGHUP; the crooks are told when connections have been passed on. */
  async function handOver(): Promise<void> {
    handover = await upgrade(cluster.edges[0]!)
    for (const crook of crooks) crook.handedOver()
  }

  async function load(replaced: Promise<void>): Promise<void> {
    const random = new Random(1)
    const everyone = catalogue.shapes.flatMap(({ tenant, everyone, requiredAcl }, i) =>
      everyone && requiredAcl === null && TENANTS.slice(0, 2).includes(tenant ?? '') ? [i] : [],
    )
    const began = now()
    const end = { at: Infinity }
    const goOn = (): void => void (end.at = Math.max(began + LOAD_MS, now() + LOAD_AFTER_MS))
    replaced.then(goOn, goOn)
    while (now() < end.at) {
      const number = random.pick(everyone)
      bus.publish(number, catalogue.shapes[number]!)
      await sleep(1000 / EVENTS_PER_SECOND)
    }
  }

  function revoke(): void {
    for (const { revoked } of populations) {
      record.deleted(revoked.session_uuid, now())
      cluster.auth.delete(revoked.token)
      const number = catalogue.revocation(revoked.metadata.tenant_uuid, revoked.metadata.uuid)
      bus.publish(number, catalogue.shapes[number]!, revoked.session_uuid)
    }
  }

  async function openLate(): Promise<void> {
    await Promise.all(populations.map((population) => population.openLate()))
  }

  /** Of the population behind crook number `i`. */
  function historyOf(i: number): History {
    return {
      masterTenant: MASTER_TENANT,
      deliveryMsMax: DELIVERY_MS_MAX,
      shapes: catalogue.shapes,
      published: [...record.events.values()],
      stream: record.stream,
      tokens: [...record.tokens.values()],
      sessions: populations[i]!.sessions,
      faults: [],
      batches: tap.batches,
      heads: tap.heads,
      holdings: [],
      endedAt,
    }
  }

  it('has nothing to say when nothing is wrong', () => {
    const history = historyOf(0)
    const deliveries = history.sessions.map(({ ids }) => ids.length)
    expect(deliveries[0]).to.be.above(50)
    expect(deliveries.filter((count) => count < 10)).to.deep.equal([])
    expect(tap.batches.length).to.be.above(10)
    expect(check(history)).to.deep.equal([])
  })

  it('has seen its sessions pass from one worker to the next', () => {
    expect(handover.result).to.equal('success')
    expect(Object.keys(handover.handovers)).to.deep.equal(['moved'])
    expect(handover.handovers['moved']).to.be.above(PLANTED.length)
  })

  for (const [i, { what, finds }] of PLANTED.entries())
    it(`finds ${what} (${finds}), and nothing else`, () => {
      const found = check(historyOf(i + 1))
      expect(
        found.map(({ invariant }) => invariant),
        JSON.stringify(found),
      ).to.deep.equal([finds])
    })
})
