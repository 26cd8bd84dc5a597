import { ingestRoutes } from '@wazo-websocketd/ingest/status/report'
import { ingestMetrics } from '@wazo-websocketd/ingest/metrics'
import { FailureLog } from '@wazo-websocketd/ingest/status/failure-log'
import { Status } from '@wazo-websocketd/ingest/status/status'
import { TIMINGS } from '@wazo-websocketd/ingest/timings'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { fakeLog } from '../../../support/fakes/log.js'

describe('what an ingest tells operators', () => {
  it('is its state, what it publishes and drops, and what went wrong', async () => {
    const clock = new FakeClock()
    const failures = new FailureLog(clock, fakeLog().logger, 30_000)
    const status = new Status({ ...TIMINGS, redisGraceMs: 1_000 }, clock, failures)
    const registry = new Metrics({ defaults: false })
    const metrics = ingestMetrics(registry)
    const routes = ingestRoutes({
      ...{ ingest: 'id', version: '1.2.3', uuid: 'u', status, redisConnected: () => true },
      ...{ brokerHost: () => 'rabbit:5672', snapshot: () => registry.snapshot(), startedAt: 0 },
    })
    status.brokerConnected = true
    status.attached('e' as Epoch, [7])
    status.epochBegan('e' as Epoch, 'marker-gone')
    status.failed('redis', 'Redis does not answer')
    metrics.publishing(true)
    metrics.lag(0.25)
    metrics.messages('published', 3)
    metrics.messages('other_origin', 2)
    const { json } = await routes.get('/admin/status')!.answer({ query: new URLSearchParams(), body: {} })
    const report = JSON.parse(json as string) as Record<string, unknown>
    expect(report).to.deep.include({
      ...{ program: 'wazo-websocketd-ingest', version: '1.2.3', ingest: 'id', uuid: 'u' },
      ...{ state: 'catching-up', publishing: true, brokerHost: 'rabbit:5672', lagSeconds: 0.25 },
      ...{ epoch: 'e', heads: [7] },
      missing: ['the backlog of the stream'],
    })
    expect(report['messages']).to.deep.include({ published: 3, other_origin: 2, no_name: 0 })
    expect(report['epochs']).to.have.nested.property('[0].why', 'marker-gone')
    expect(report['failures']).to.have.nested.property('[0].what', 'Redis does not answer')
  })

  it('takes no orders', () => {
    const routes = ingestRoutes({} as Parameters<typeof ingestRoutes>[0])
    expect([...routes.values()].some(({ changes }) => changes)).to.equal(false)
  })
})
