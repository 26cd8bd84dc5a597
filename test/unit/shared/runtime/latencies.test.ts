import { Latencies } from '@wazo-websocketd/shared/runtime/latencies'
import { expect } from 'chai'

describe('Latencies', () => {
  it('have a summary once there are some', () => {
    expect(new Latencies().summary()).to.equal(null)
  })

  it('tell percentiles to three digits, and the longest', () => {
    const latencies = new Latencies()
    for (let ms = 1; ms <= 1000; ms++) latencies.record(ms)
    expect(latencies.count).to.equal(1000)
    expect(latencies.summary()).to.match(/^p50 50[01] ms, p90 90[01] ms, p99 99[01] ms, max 100[01] ms$/)
  })

  it('take what is out of bounds for the bound', () => {
    const latencies = new Latencies()
    latencies.record(-5)
    latencies.record(1e12)
    expect(latencies.count).to.equal(2)
    expect(latencies.summary()).to.match(/^p50 0\.0 ms, .*max 36\d{5} ms$/)
  })
})
