import { expect } from 'chai'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { Planner, type Memory, type Meta } from '@wazo-websocketd/ingest/attach/plan'

const OPTIONS = {
  stream: 's.v1',
  partitions: 2,
  partialHistoryWaitMs: 500,
  emptyWaitMs: 3000,
  foreignWaitMs: 5000,
}

function meta(offset: number, over: Partial<Meta> = {}): Meta {
  return { epoch: 'E' as Epoch, offset, fingerprint: `f${offset}`, stream: 's.v1', partitions: 2, ...over }
}
const MEMORY: Memory = {
  epoch: 'E' as Epoch,
  start: { offset: 10, fingerprint: 'f10' },
  end: 30,
  complete: true,
  seen: new Set([0, 1]),
}

describe('Planner', () => {
  it('attaches at the lowest head', () => {
    const plan = new Planner(OPTIONS).plan([meta(30), meta(20)], null, 0)
    expect(plan).to.deep.equal({ kind: 'attach', epoch: 'E', at: meta(20) })
  })

  it('seeds an empty Redis from its memory at once, with the same epoch', () => {
    const plan = new Planner(OPTIONS).plan([null, null], MEMORY, 0)
    expect(plan).to.deep.equal({ kind: 'seed', epoch: 'E', at: MEMORY.start, partitions: [0, 1] })
  })

  it('leaves the seeding for half a second to others when it does not remember the whole history', () => {
    const planner = new Planner(OPTIONS)
    const young = { ...MEMORY, complete: false }
    expect(planner.plan([null, null], young, 0)).to.deep.equal({ kind: 'wait', why: 'no-meta' })
    expect(planner.plan([null, null], young, 499).kind).to.equal('wait')
    expect(planner.plan([null, null], young, 500).kind).to.equal('seed')
  })

  it('leaves a partition whose head it has never seen to others for 3 s, however much it remembers', () => {
    const planner = new Planner(OPTIONS)
    const blind = { ...MEMORY, seen: new Set([0]) }
    expect(planner.plan([meta(30), null], blind, 0)).to.deep.equal({ kind: 'wait', why: 'no-meta' })
    expect(planner.plan([meta(30), null], blind, 2999).kind).to.equal('wait')
    expect(planner.plan([meta(30), null], blind, 3000).kind).to.equal('seed')
    expect(new Planner(OPTIONS).plan([null, meta(30)], blind, 0).kind, 'the other one').to.equal('seed')
  })

  it('seeds only the partitions that were lost', () => {
    expect(new Planner(OPTIONS).plan([meta(30), null], MEMORY, 0)).to.deep.include({
      kind: 'seed',
      partitions: [1],
    })
    expect(new Planner(OPTIONS).plan([null, meta(30)], MEMORY, 0)).to.deep.include({
      kind: 'seed',
      partitions: [0],
    })
  })

  it('without a memory leaves an empty Redis to others for 3 s, then starts an epoch', () => {
    const planner = new Planner(OPTIONS)
    expect(planner.plan([null, null], null, 1000)).to.deep.equal({ kind: 'wait', why: 'no-meta' })
    expect(planner.plan([null, null], null, 3999)).to.deep.equal({ kind: 'wait', why: 'no-meta' })
    expect(planner.plan([null, null], null, 4000)).to.deep.equal({ kind: 'new-epoch', why: 'first-start' })
  })

  it('does not trust a memory of another epoch than that of the partitions left', () => {
    const planner = new Planner(OPTIONS)
    const other = { ...MEMORY, epoch: 'F' as Epoch }
    expect(planner.plan([meta(30), null], other, 0).kind).to.equal('wait')
    expect(planner.plan([meta(30), null], other, 3000)).to.deep.equal({
      kind: 'new-epoch',
      why: 'redis-empty',
    })
  })

  it('leaves what is missing to an ingest that has just begun an epoch in an empty Redis', () => {
    const planner = new Planner(OPTIONS)
    planner.plan([null, null], null, 0)
    expect(planner.plan([meta(1), null], null, 3100)).to.deep.equal({ kind: 'wait', why: 'no-meta' })
    expect(planner.plan([undefined, null], null, 5000).kind, 'its node does not answer').to.equal('wait')
    expect(planner.plan([meta(1), null], null, 6099).kind).to.equal('wait')
    expect(planner.plan([meta(1), null], null, 6100)).to.deep.equal({ kind: 'new-epoch', why: 'redis-empty' })
  })

  it('starts the 3 s anew when Redis is empty another time', () => {
    const planner = new Planner(OPTIONS)
    planner.plan([null, null], null, 0)
    planner.plan([meta(1), meta(1)], null, 2000)
    expect(planner.plan([null, null], null, 4000).kind).to.equal('wait')
  })

  it('brings partitions of an older epoch into that of partition 0', () => {
    const plan = new Planner(OPTIONS).plan([meta(30), meta(20, { epoch: 'D' as Epoch })], null, 0)
    expect(plan).to.deep.equal({ kind: 'adopt', epoch: 'E', at: meta(30), partitions: [1] })
  })

  it('leaves out a partition for which Redis does not answer, whichever it is', () => {
    const planner = new Planner(OPTIONS)
    expect(planner.plan([undefined, meta(20)], null, 0)).to.deep.equal({
      kind: 'attach',
      epoch: 'E',
      at: meta(20),
    })
    expect(planner.plan([meta(30), undefined], MEMORY, 0)).to.deep.include({ kind: 'attach', at: meta(30) })
    expect(planner.plan([undefined, null], MEMORY, 0)).to.deep.include({ kind: 'seed', partitions: [1] })
  })

  it('takes no epoch for the newer one as long as Redis does not answer for partition 0', () => {
    const three = { ...OPTIONS, partitions: 3 }
    const one = (epoch: string) => meta(20, { epoch: epoch as Epoch, partitions: 3 })
    const plan = new Planner(three).plan([undefined, one('D'), one('E')], null, 0)
    expect(plan).to.deep.equal({ kind: 'wait', why: 'not-all' })
  })

  for (const [what, over] of [
    ['stream', { stream: 's.v0' }],
    ['partition count', { partitions: 1 }],
    ['form', { form: '2' }],
  ] as const)
    it(`stays passive while another ${what} moves, and takes over when it has stood still for 5 s`, () => {
      const planner = new Planner(OPTIONS)
      const wait = { kind: 'wait', why: 'foreign' }
      expect(planner.plan([meta(1, over), null], MEMORY, 0)).to.deep.equal(wait)
      expect(planner.plan([meta(1, over), null], MEMORY, 4999)).to.deep.equal(wait)
      expect(planner.plan([meta(2, over), null], MEMORY, 5000)).to.deep.equal(wait)
      expect(planner.plan([meta(2, over), null], MEMORY, 9999)).to.deep.equal(wait)
      expect(planner.plan([meta(2, over), null], MEMORY, 10_000)).to.deep.equal({
        kind: 'new-epoch',
        why: 'other-stream',
      })
    })
})
