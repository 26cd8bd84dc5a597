import { MetricStore } from '@wazo-websocketd/edge/process/metric-store'
import { Metrics, type Snapshot } from '@wazo-websocketd/shared/runtime/metrics'
import { expect } from 'chai'

/** What a worker with these numbers pushes, as it arrives over the channel. */
async function snapshotOf(events: number, connections: number): Promise<Snapshot> {
  const metrics = new Metrics({ defaults: false })
  metrics.counter({ name: 'events_total', help: 'E.' }).inc(events)
  metrics
    .counter({ name: 'closed_total', help: 'C.', labels: { code: ['1006', 'other'] } })
    .inc({ code: 'other' }, events)
  metrics.gauge({ name: 'connections', help: 'C.' }).set(connections)
  metrics.histogram({ name: 'latency_seconds', help: 'L.', buckets: [1] }).observe(0.5)
  return JSON.parse(JSON.stringify(await metrics.snapshot())) as Snapshot
}

describe('the store of metrics', () => {
  it('adds up the workers and the primary', async () => {
    const store = new MetricStore()
    store.update(1, await snapshotOf(3, 10))
    store.update(2, await snapshotOf(4, 20))
    const own = new Metrics({ defaults: false })
    own.gauge({ name: 'workers', help: 'W.' }).set(2)
    const { body } = await store.exposition(await own.snapshot())
    expect(body).to.include('websocketd_events_total 7\n')
    expect(body).to.include('websocketd_connections 30\n')
    expect(body).to.include('websocketd_workers 2\n')
  })

  it('takes the last snapshot of a worker for all it has to say', async () => {
    const store = new MetricStore()
    store.update(1, await snapshotOf(3, 10))
    store.update(1, await snapshotOf(5, 7))
    const { body } = await store.exposition([])
    expect(body).to.include('websocketd_events_total 5\n').and.include('websocketd_connections 7\n')
  })

  it('keeps counters and histograms of a worker that has ended, and drops its gauges', async () => {
    const store = new MetricStore()
    store.update(1, await snapshotOf(3, 10))
    store.update(2, await snapshotOf(4, 20))
    await store.retire(1)
    const { body } = await store.exposition([])
    expect(body).to.include('websocketd_events_total 7\n')
    expect(body).to.include('websocketd_closed_total{code="other"} 7\n')
    expect(body).to.include('websocketd_latency_seconds_count 2\n')
    expect(body).to.include('websocketd_latency_seconds_bucket{le="1"} 2\n')
    expect(body).to.include('websocketd_connections 20\n')
  })

  it('lets no sum drop over many generations of workers', async () => {
    const store = new MetricStore()
    let last = 0
    for (let id = 1; id <= 20; id++) {
      store.update(id, await snapshotOf(10, 1))
      if (id > 2) void store.retire(id - 2) // a scrape may come while it is being retired
      const { body } = await store.exposition([])
      const total = Number(/^websocketd_events_total (\d+)$/m.exec(body)?.[1])
      expect(total)
        .to.equal(id * 10)
        .and.to.be.greaterThan(last)
      last = total
    }
  })

  it('bears the end of a worker whose metrics it does not understand: what others said counts on', async () => {
    const store = new MetricStore()
    const [strange] = await snapshotOf(1, 1)
    store.update(1, [{ ...strange!, name: 'strange_total', aggregator: 'of a newer version' as never }])
    store.update(2, await snapshotOf(4, 20))
    const error = await store.retire(1).then(
      () => null,
      (reason: unknown) => reason,
    )
    expect(String(error)).to.include('of a newer version')
    await store.retire(2)
    const { body } = await store.exposition([])
    expect(body).to.include('websocketd_events_total 4\n')
    expect(body).to.not.include('strange_total')
  })

  it('bears the end of a worker that never said anything', async () => {
    const store = new MetricStore()
    await store.retire(9)
    expect((await store.exposition(await snapshotOf(1, 1))).body).to.include('websocketd_events_total 1\n')
  })
})
