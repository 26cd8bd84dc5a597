import { expect } from 'chai'
import { sleep, waitFor } from '../support/wait.mjs'
import { Cluster, type EdgeHost } from '../faults/support/cluster.js'
import { Load } from './resume.support/load.js'
import { Returning } from './resume.support/returning.js'

const PER_SECOND = 200
const TOKENS = 12
const ARRIVAL_MS_MAX = 30_000
const DRAIN_MS_MAX = 40_000

for (const partitions of [1, 3])
  describe(`resume after a drain, under ${PER_SECOND} events/s, partitions: ${partitions}`, function () {
    this.timeout(150_000)
    let cluster: Cluster
    const everybody: Returning[] = []

    before(async () => {
      cluster = await Cluster.start({ name: `resume-${partitions}`, config: { redis: { partitions } } })
    })

    after(() => cluster.stop())

    /** Up to three sessions of each of some tokens, in both versions, on whatever workers of a host. */
    async function crowd(hosts: () => EdgeHost): Promise<Returning[]> {
      const members: Promise<Returning>[] = []
      for (let i = 0; i < TOKENS; i++) {
        const { token } = cluster.auth.mint()
        for (let k = 0; k <= i % 3; k++)
          members.push(Returning.start(cluster, { token, version: k === 2 ? 1 : 2, host: hosts }))
      }
      const all = await Promise.all(members)
      everybody.push(...all)
      return all
    }

    it('nothing is lost, doubled or out of order when one host after the other is replaced', async () => {
      const [first, second] = cluster.edges as [EdgeHost, EdgeHost]
      let open: EdgeHost[] = [first]
      let turn = 0
      const moving = await crowd(() => open[turn++ % open.length]!)
      const staying = await crowd(() => (cluster.edges.includes(second) ? second : open[0]!))
      const load = new Load(cluster.publisher, PER_SECOND)
      await sleep(1_000)

      await drain(first)
      const third = await cluster.startEdge()
      open = [third, second]
      await back(moving)
      expect(moving.map(({ endings }) => endings.map(({ code }) => code))).to.deep.equal(
        moving.map(() => [1012]),
      )
      expect(staying.flatMap(({ endings }) => endings)).to.deep.equal([])

      open = [third]
      await drain(second)
      await back(everybody)
      await sleep(500)
      const sent = await load.stop()
      await arrived(sent)
      for (const each of everybody) {
        expect(each.verdict(sent)).to.deep.equal({ lost: 0, doubled: 0, disordered: 0 })
        expect(each.oddities).to.deep.equal([])
      }
      await Promise.all(everybody.map((each) => each.end()))
    })

    async function drain(host: EdgeHost): Promise<void> {
      const begun = performance.now()
      host.program.kill('SIGTERM')
      await Promise.race([host.program.exit, sleep(DRAIN_MS_MAX)])
      console.log(`      drained in ${Math.round(performance.now() - begun)} ms`)
      expect((await host.program.exit).code).to.equal(0)
      cluster.edges.splice(cluster.edges.indexOf(host), 1)
    }

    async function back(members: readonly Returning[]): Promise<void> {
      await waitFor(() => members.every(({ connected }) => connected), {
        timeoutMs: ARRIVAL_MS_MAX,
        everyMs: 20,
        what: 'every client to be back',
      })
    }

    async function arrived(sent: number): Promise<void> {
      const all = () => everybody.every((each) => (each.look(), each.tally.reached >= sent))
      await waitFor(all, { timeoutMs: ARRIVAL_MS_MAX, everyMs: 20, what: 'the last event' }).catch(
        () => undefined,
      )
    }
  })
