import { between, classify } from '@wazo-websocketd/edge/bus/cursor'
import { expect } from 'chai'
import { EPOCH, event, OTHER_EPOCH } from '../../../support/fakes/batches.js'

const at = { epoch: EPOCH, offset: 10 }

describe('cursor', () => {
  const cases = [
    { what: 'a batch that follows on', prev: 10, last: 12, step: 'deliver' },
    { what: 'a batch that overlaps the cursor', prev: 8, last: 12, step: 'deliver' },
    { what: 'the batch that led to the cursor', prev: 8, last: 10, step: 'drop' },
    { what: 'an old batch', prev: 1, last: 3, step: 'drop' },
    { what: 'a batch beyond a gap', prev: 11, last: 12, step: 'recover' },
  ]
  for (const { what, prev, last, step } of cases) {
    it(`answers ${step} to ${what}`, () => {
      expect(classify(at, { epoch: EPOCH, prev, last })).to.equal(step)
    })
  }

  it('answers recover to another epoch, however its numbers look', () => {
    expect(classify(at, { epoch: OTHER_EPOCH, prev: 10, last: 12 })).to.equal('recover')
    expect(classify(at, { epoch: OTHER_EPOCH, prev: 1, last: 2 })).to.equal('recover')
  })

  it('cuts events at both ends of a range', () => {
    const events = [9, 10, 11, 12, 13].map(event)
    expect(between(events, 10, 12).map((each) => each.offset)).to.deep.equal([11, 12])
  })

  it('hands back the very array when nothing has to be cut', () => {
    const events = [11, 12].map(event)
    expect(between(events, 10, 12)).to.equal(events)
    expect(between([], 10, 12)).to.deep.equal([])
  })
})
