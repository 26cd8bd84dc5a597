import { expect } from 'chai'
import { initialSituation, judge } from '@wazo-websocketd/ingest/state'

const CANARY_MS = 3000
const running = { ...initialSituation(), brokerConnected: true, attached: true, canarySentAt: 10_000 }

describe('judge', () => {
  it('is down without the broker, whatever else is true', () => {
    expect(judge({ ...running, brokerConnected: false }, true, 10_000, CANARY_MS)).to.equal('down')
  })

  it('is down while Redis refuses batches', () => {
    expect(judge({ ...running, refused: true }, false, 10_000, CANARY_MS)).to.equal('down')
  })

  it('is catching up until attached', () => {
    expect(judge({ ...running, attached: false }, true, 10_000, CANARY_MS)).to.equal('catching-up')
  })

  it('is down when the broker has refused for 10 s to set it up, or to declare exchanges again, until it does', () => {
    const refused = { ...running, attached: false, brokerRefusesSince: 5_000 }
    expect(judge(refused, false, 14_999, CANARY_MS)).to.equal('catching-up')
    expect(judge(refused, false, 15_000, CANARY_MS)).to.equal('down')
    const attached = { ...refused, attached: true }
    expect(judge(attached, false, 13_000, CANARY_MS), 'attached').to.equal('up')
    expect(judge({ ...attached, canarySentAt: 15_000 }, false, 15_000, CANARY_MS)).to.equal('down')
    expect(judge(attached, true, 15_000, CANARY_MS), 'during an alarm').to.equal('down')
  })

  it('is up while an own canary of the last 3 s came through', () => {
    expect(judge(running, false, 13_000, CANARY_MS)).to.equal('up')
    expect(judge(running, false, 13_001, CANARY_MS)).to.equal('catching-up')
    expect(judge({ ...running, canarySentAt: null }, false, 10_000, CANARY_MS)).to.equal('catching-up')
  })

  it('is up without canaries while the broker takes none', () => {
    expect(judge(running, true, 99_000, CANARY_MS)).to.equal('up')
  })
})
