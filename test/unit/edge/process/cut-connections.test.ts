import { withCutConnections } from '@wazo-websocketd/edge/process/cut-connections'
import { MetricStore } from '@wazo-websocketd/edge/process/metric-store'
import { sessionMetrics } from '@wazo-websocketd/edge/session/metrics'
import { Metrics, type Snapshot } from '@wazo-websocketd/shared/runtime/metrics'
import { expect } from 'chai'

/** What a worker that has opened and closed so many pushes, as it arrives over the channel. */
async function snapshotOf({ opened = 0, closed = 0 }): Promise<Snapshot> {
  const metrics = new Metrics({ defaults: false })
  const sessions = sessionMetrics(metrics)
  for (let i = 0; i < opened; i++) sessions.opened(i % 2 === 0 ? 1 : 2)
  for (let i = 0; i < closed; i++) sessions.closed(i % 2 === 0 ? 1 : 2, 1000)
  return JSON.parse(JSON.stringify(await metrics.snapshot())) as Snapshot
}

async function totals(store: MetricStore) {
  const { body } = await store.exposition([])
  const sum = (name: string) =>
    [...body.matchAll(new RegExp(`^websocketd_${name}(?:[{].*[}])? (\\d+)$`, 'gm'))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    )
  return {
    opened: sum('connections_opened_total'),
    closed: sum('connections_closed_total'),
    cut: sum('connections_closed_total[{]code="1006"[}]'),
    open: sum('connections'),
  }
}

describe('the connections that end with their worker', () => {
  it('are those that were open: with 1006, so that none is missing among the closed ones', async () => {
    const store = new MetricStore()
    store.update(1, await snapshotOf({ opened: 10, closed: 3 }))
    store.update(2, await snapshotOf({ opened: 5 }))
    expect(await totals(store)).to.deep.equal({ opened: 15, closed: 3, cut: 0, open: 12 })
    await store.retire(1)
    expect(await totals(store)).to.deep.equal({ opened: 15, closed: 10, cut: 7, open: 5 })
  })

  it('are none of a worker whose sessions had ended', async () => {
    const store = new MetricStore()
    store.update(1, await snapshotOf({ opened: 10, closed: 10 }))
    await store.retire(1)
    expect(await totals(store)).to.deep.equal({ opened: 10, closed: 10, cut: 0, open: 0 })
  })

  it('do not include those that were handed over since its last word, but those of its successor do', async () => {
    const store = new MetricStore()
    store.update(1, await snapshotOf({ opened: 10 }))
    store.update(2, await snapshotOf({}))
    for (let i = 0; i < 4; i++) store.moved(1, 2)
    await store.retire(1)
    expect(await totals(store)).to.include({ closed: 6, cut: 6 })
    await store.retire(2)
    expect(await totals(store)).to.include({ opened: 10, closed: 10, cut: 10 })
  })

  it('are not told by a snapshot that knows of no connections: it stays what it is', async () => {
    const snapshot = (await snapshotOf({ opened: 2 })).filter(({ name }) => name !== 'websocketd_connections')
    expect(withCutConnections(snapshot, 0)).to.equal(snapshot)
  })

  it('are counted also where no connection had ended with 1006 and the code has no 0', async () => {
    const old = (await snapshotOf({ opened: 2 })).map((metric) => ({
      ...metric,
      values: metric.values.filter(({ value }) => value !== 0),
    }))
    const closed = withCutConnections(old, 0).find(({ name }) => name.endsWith('closed_total'))
    expect(closed?.values).to.deep.equal([{ value: 2, labels: { code: '1006' } }])
  })
})
