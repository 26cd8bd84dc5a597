import { RefusalLog } from '@wazo-websocketd/edge/session/refusal-log'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { fakeLog } from '../../../support/fakes/log.js'

describe('the log of refusals', () => {
  it('has one line in ten seconds with the number for each reason, and none where nobody is refused', () => {
    const clock = new FakeClock()
    const { logger, entries } = fakeLog()
    const refusals = new RefusalLog({ clock, log: logger })
    clock.advance(60_000)
    expect([entries.length, clock.pending]).to.deep.equal([0, 0])
    for (let i = 0; i < 40; i++) refusals.add(i % 4 === 0 ? 'version' : 'not-ready')
    clock.advance(9_999)
    expect(entries).to.have.length(0)
    clock.advance(1)
    expect(entries[0]).to.deep.include({
      msg: 'handshakes refused in 10 s',
      refused: { 'not-ready': 30, version: 10 },
    })
    refusals.add('origin')
    refusals.close()
    expect(entries[1]!['refused']).to.deep.equal({ origin: 1 })
    expect(clock.pending).to.equal(0)
  })
})
