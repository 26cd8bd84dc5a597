import { IngestStatus } from '@wazo-websocketd/edge/bus/ingest-status'
import type { IngestState } from '@wazo-websocketd/shared/domain/envelope'
import { expect } from 'chai'
import { EPOCH } from '../../../support/fakes/batches.js'

const graces = { lostGraceMs: 2_000, silenceGraceMs: 30_000 }

function heard(states: IngestStatus, ingest: string, state: IngestState, now: number): void {
  states.received({ kind: 'state', ingest, epoch: EPOCH, state, heads: [] }, now)
}

describe('states of the ingests', () => {
  it('is silent before anything was heard', () => {
    expect(new IngestStatus(graces, 0).state(0)).to.equal('silent')
  })

  it('takes the best of what the ingests say', () => {
    const states = new IngestStatus(graces, 0)
    heard(states, 'a', 'down', 0)
    expect(states.state(0)).to.equal('down')
    heard(states, 'b', 'catching-up', 0)
    expect(states.state(0)).to.equal('catching-up')
    heard(states, 'c', 'up', 0)
    expect(states.state(0)).to.equal('up')
    heard(states, 'a', 'down', 1)
    expect(states.state(1)).to.equal('up')
  })

  it('does not count a state older than 3 s', () => {
    const states = new IngestStatus(graces, 0)
    heard(states, 'a', 'up', 0)
    expect(states.state(3_000)).to.equal('up')
    expect(states.state(3_001)).to.equal('silent')
  })

  it('is lost when all that speak have been down for the grace', () => {
    const states = new IngestStatus(graces, 0)
    heard(states, 'a', 'up', 0)
    for (let now = 1_000; now <= 2_000; now += 1_000) {
      expect(states.lossReason(now)).to.equal(null)
      heard(states, 'a', 'down', now)
    }
    expect(states.lossReason(2_999)).to.equal(null)
    expect(states.lossReason(3_000)).to.match(/every ingest is down/)
  })

  it('is not lost while one ingest catches up', () => {
    const states = new IngestStatus(graces, 0)
    for (let now = 0; now <= 10_000; now += 1_000) {
      heard(states, 'a', 'down', now)
      heard(states, 'b', 'catching-up', now)
      expect(states.lossReason(now)).to.equal(null)
    }
  })

  it('starts the grace anew when an ingest came up in between', () => {
    const states = new IngestStatus(graces, 0)
    heard(states, 'a', 'down', 0)
    heard(states, 'a', 'up', 1_500)
    heard(states, 'a', 'down', 2_000)
    expect(states.lossReason(3_500)).to.equal(null)
    heard(states, 'a', 'down', 4_000)
    expect(states.lossReason(4_000)).to.be.a('string')
  })

  it('is lost after silence for its own, longer grace', () => {
    const states = new IngestStatus(graces, 0)
    heard(states, 'a', 'up', 1_000)
    expect(states.lossReason(30_999)).to.equal(null)
    expect(states.lossReason(31_000)).to.match(/heard/)
  })

  it('does not count as silence what passed without a connection', () => {
    const states = new IngestStatus(graces, 0)
    heard(states, 'a', 'up', 1_000)
    states.excuseSilence(1_000, 40_000)
    expect(states.lossReason(40_000)).to.equal(null)
    expect(states.lossReason(70_000)).to.match(/heard/)
  })

  it('remembers a bounded number of ingests', () => {
    const states = new IngestStatus(graces, 0)
    for (let i = 0; i < 64; i++) heard(states, `i${i}`, 'down', 0)
    heard(states, 'one too many', 'up', 0)
    expect(states.state(0)).to.equal('down')
  })
})
