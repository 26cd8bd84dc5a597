import { Figures } from '@wazo-websocketd/edge/client/figures'
import { expect } from 'chai'

const NOW = Date.parse('2026-11-24T10:15:30.500Z')

describe('The figures of the tail', () => {
  let now: number
  let figures: Figures
  const lines = (...timestamps: unknown[]): string[] => {
    now = NOW
    figures = new Figures(() => now)
    for (const timestamp of timestamps) {
      figures.event({ timestamp })
      now += 500
    }
    return figures.lines()
  }

  it('are events, their rate, and latencies from the time in the body', () => {
    const [counts, latency] = lines(
      '2026-11-24T10:15:30.400000',
      '2026-11-24T11:15:30.900000+01:00',
      '2026-11-24 10:15:31.400Z',
    )
    expect(counts).to.equal('3 events in 1.0 s (2.0/s)')
    expect(latency).to.match(/^latency from the body's timestamp: p50 100 ms, .*max 100 ms$/)
  })

  it('leave out times that make no sense, and say so', () => {
    const [, latency] = lines('2026-11-24T10:15:30.400', '2026-11-24T09:15:30', 'yesterday', undefined)
    expect(latency).to.match(/^latency from the body's timestamp of 1 events: /)
    expect(lines('2026-11-24T12:15:30', 7)).to.have.length(1)
  })

  it('name what was filtered out, reconnects and gaps only where there were any', () => {
    expect(lines()).to.deep.equal(['0 events'])
    figures.filteredOut = 1
    figures.reconnects = 2
    figures.gaps = 3
    expect(figures.lines()).to.deep.equal(['0 events, 1 of them filtered out, 2 reconnects, 3 gaps'])
  })

  it('take a body that is no object', () => {
    lines()
    figures.event(undefined)
    expect(figures.lines()).to.deep.equal(['1 events'])
  })
})
