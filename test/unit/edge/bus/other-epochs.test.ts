import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { OtherEpochs } from '@wazo-websocketd/edge/bus/other-epochs'
import { expect } from 'chai'
import { OTHER_EPOCH } from '../../../support/fakes/batches.js'

describe('other epochs', () => {
  it('ask for a look at the log after a second, and once', () => {
    const others = new OtherEpochs()
    expect(others.received(OTHER_EPOCH, 0)).to.equal(true)
    expect(others.received(OTHER_EPOCH, 900)).to.equal(true)
    expect([others.checkDue(999), others.checkDue(1_000)]).to.deep.equal([false, true])
    others.markForeign(1_000, 1_010)
    expect([others.received(OTHER_EPOCH, 2_000), others.checkDue(60_000)]).to.deep.equal([false, false])
  })

  it('ask again after a minute', () => {
    const others = new OtherEpochs()
    others.received(OTHER_EPOCH, 0)
    others.markForeign(0, 0)
    expect([others.received(OTHER_EPOCH, 59_999), others.received(OTHER_EPOCH, 60_000)]).to.deep.equal([
      false,
      true,
    ])
    expect([others.checkDue(60_999), others.checkDue(61_000)]).to.deep.equal([false, true])
  })

  it('are not answered by what was read before they were heard', () => {
    const others = new OtherEpochs()
    others.received(OTHER_EPOCH, 100)
    others.markForeign(99, 200)
    expect(others.received(OTHER_EPOCH, 300)).to.equal(true)
  })

  it('are forgotten with the epoch in force', () => {
    const others = new OtherEpochs()
    others.received(OTHER_EPOCH, 0)
    others.clear()
    expect(others.checkDue(2_000)).to.equal(false)
  })

  it('are remembered up to a number; a flood of them asks for nothing more', () => {
    const others = new OtherEpochs()
    const heard = Array.from({ length: 20 }, (_, i) => others.received(`e${i}` as Epoch, 0))
    expect(heard.filter(Boolean)).to.have.length(8)
    others.markForeign(0, 0)
    expect(others.received('later' as Epoch, 60_000)).to.equal(true)
  })
})
