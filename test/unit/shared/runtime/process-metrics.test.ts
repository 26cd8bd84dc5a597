import { Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { expect } from 'chai'
import { sleep } from '../../../support/wait.mjs'

const BLOCKED_MS = 400

/** Keeps the event loop from everything else. */
function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

describe('the metrics of a process for itself', () => {
  const valueOf = (body: string, name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(body)?.[1])

  it('tell how late the event loop was, without the time between two samples, and still tell the next reader', async () => {
    const metrics = new Metrics()
    const lag = async () => valueOf((await metrics.exposition()).body, 'websocketd_event_loop_lag_seconds')
    expect(await lag(), 'before the first sample').to.equal(0)
    await sleep(250)
    block(BLOCKED_MS)
    await sleep(150)
    const seen = await lag()
    // The sample that was due in the middle of it was late by less than the whole.
    expect(seen)
      .to.be.above((BLOCKED_MS - 100) / 1000 - 0.02)
      .and.below(2)
    expect(await lag()).to.equal(seen)
  })

  it('carry the worker as a label where there is one', async () => {
    const { body } = await new Metrics({ worker: '3' }).exposition()
    for (const name of ['event_loop_lag_seconds', 'resident_memory_bytes', 'open_fds', 'max_fds'])
      expect(body).to.match(new RegExp(`^websocketd_${name}[{]worker="3"[}] \\d`, 'm'))
    expect((await new Metrics().exposition()).body).to.match(/^websocketd_open_fds \d+$/m)
  })

  it('tell when the process started', async () => {
    const { body } = await new Metrics().exposition()
    const startedAt = Date.now() / 1000 - process.uptime()
    expect(valueOf(body, 'process_start_time_seconds')).to.be.closeTo(startedAt, 2)
  })
})
