import { aggregateExposition, aggregateSnapshots, Metrics } from '@wazo-websocketd/shared/runtime/metrics'
import { expect } from 'chai'
import { open } from 'node:fs/promises'

describe('the metrics of a process', () => {
  it("carry the prefix, build_info and the process's own", async () => {
    const metrics = new Metrics()
    metrics.counter({ name: 'events_total', help: 'Events.' }).inc(3)
    const { body, contentType } = await metrics.exposition()
    expect(contentType).to.include('version=0.0.4')
    expect(body).to.include('websocketd_events_total 3\n')
    expect(body).to.match(/websocketd_build_info\{version="\d+\.\d+\.\d+"\} 1\n/)
    expect(body).to.include('process_cpu_seconds_total')
  })

  it('have every combination of the labels of a counter at 0 from the start, and no other', async () => {
    const metrics = new Metrics({ defaults: false })
    const ops = metrics.counter({
      name: 'ops_total',
      help: 'O.',
      labels: { op: ['start', 'ping'], result: ['ok', 'refused'] },
    })
    const lines = async () =>
      (await metrics.exposition()).body.split('\n').filter((line) => !/^#|^$/.test(line))
    expect(await lines()).to.have.members([
      'websocketd_ops_total{op="start",result="ok"} 0',
      'websocketd_ops_total{op="start",result="refused"} 0',
      'websocketd_ops_total{op="ping",result="ok"} 0',
      'websocketd_ops_total{op="ping",result="refused"} 0',
    ])
    ops.inc({ op: 'ping', result: 'ok' })
    expect(await lines()).to.include('websocketd_ops_total{op="ping",result="ok"} 1')
    // @ts-expect-error a value that is not declared
    ops.inc({ op: 'stop', result: 'ok' })
    // @ts-expect-error a label without a value
    expect(() => ops.inc({ op: 'ping', reason: 'ok' })).to.throw('reason')
  })

  it('do not go through every connection and file each time they are read', async () => {
    const metrics = new Metrics()
    const openFiles = async () => /^process_open_fds (\d+)$/m.exec((await metrics.exposition()).body)?.[1]
    const counted = await openFiles()
    const file = await open('/dev/null')
    expect(await openFiles()).to.equal(counted)
    await file.close()
    expect(Number(counted)).to.be.above(3)
    expect((await metrics.exposition()).body).not.to.include('nodejs_active_')
  })

  it('of several processes add up', async () => {
    const processes = [new Metrics({ defaults: false }), new Metrics({ defaults: false })]
    for (const [i, metrics] of processes.entries()) {
      metrics.counter({ name: 'a_total', help: 'A.', labels: { code: ['1', '2'] } }).inc({ code: '1' }, i + 1)
      metrics.gauge({ name: 'b', help: 'B.' }).set(10)
      metrics.histogram({ name: 'c_seconds', help: 'C.', buckets: [1, 2] }).observe(i + 0.5)
    }
    const snapshots = await Promise.all(processes.map((metrics) => metrics.snapshot()))
    // As they arrive from another process.
    const received = JSON.parse(JSON.stringify(snapshots)) as typeof snapshots
    const { body } = await aggregateExposition(received)
    expect(body).to.include('websocketd_a_total{code="1"} 3\n')
    expect(body).to.include('websocketd_b 20\n')
    expect(body).to.include('websocketd_c_seconds_bucket{le="1"} 1\n')
    expect(body).to.include('websocketd_c_seconds_bucket{le="+Inf"} 2\n')
    expect(body).to.include('websocketd_c_seconds_sum 2\n')
    const twice = await aggregateExposition([await aggregateSnapshots(received), ...received])
    expect(twice.body)
      .to.include('websocketd_a_total{code="1"} 6\n')
      .and.include('websocketd_c_seconds_count 4\n')
  })
})
