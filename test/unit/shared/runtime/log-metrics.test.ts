import { logMetrics } from '@wazo-websocketd/shared/runtime/log-metrics'
import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { expect } from 'chai'

describe('the metric of the log', () => {
  it('is the number of dropped lines whenever it is read', async () => {
    const metrics = new Metrics({ defaults: false })
    let dropped = 0
    logMetrics(metrics, () => dropped)
    const read = async () => (await metrics.exposition()).body.split('\n').at(2)
    expect(await read()).to.equal('websocketd_log_lines_dropped_total 0')
    dropped = 3
    await read()
    expect(await read()).to.equal('websocketd_log_lines_dropped_total 3')
  })
})
