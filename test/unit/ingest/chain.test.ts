import { expect } from 'chai'
import { Chain } from '@wazo-websocketd/ingest/chain'
import type { Answer, Jump, PublishCall, Step } from '@wazo-websocketd/ingest/chain'
import { EVERY_PARTITION } from '@wazo-websocketd/ingest/delivery'
import type { Epoch } from '@wazo-websocketd/shared/domain/identity'
import { delivery } from './delivery-of.js'

const EPOCH = 'E' as Epoch
const OPTIONS = {
  batchCountMax: 100,
  batchBytesMax: 1000,
  headPollMs: 200,
  crowdedPollMs: 10,
  idlePollMs: 1000,
  takeoverMs: 500,
  windowMax: 20,
  windowBytesMax: 1000,
}

function chain(heads: readonly number[] = [10]): Chain {
  return new Chain(OPTIONS, EPOCH, heads, 0)
}

function calls(step: Step): readonly PublishCall[] {
  if (step.kind !== 'publish') throw new Error(`expected a publish, got ${step.kind}`)
  return step.calls
}

function publish(subject: Chain, answers: readonly Answer[], now = 0): number[] {
  return subject.answered(calls(subject.step(now)), answers, now).map(({ offset }) => offset)
}

/** A chain that follows: its delivery 11 was answered DUP. */
function follower(): Chain {
  const subject = chain()
  subject.deliver(delivery(11))
  publish(subject, [{ kind: 'DUP', head: 11 }])
  return subject
}

describe('Chain', () => {
  it('has nothing to do without a delivery but to ask for head once a second', () => {
    const subject = chain()
    expect(subject.step(0)).to.deep.equal({ kind: 'wait', until: 1000, idle: true })
    expect(subject.step(999)).to.deep.equal({ kind: 'wait', until: 1000, idle: true })
    expect(subject.step(1000)).to.deep.equal({ kind: 'poll' })
    expect(subject.polled([{ epoch: EPOCH, head: 10 }], 1003)).to.deep.equal([])
    expect(subject.step(1003)).to.deep.equal({ kind: 'wait', until: 2003, idle: true })
  })

  it('need not ask a Redis that has just answered', () => {
    const subject = chain()
    subject.deliver(delivery(11))
    publish(subject, [{ kind: 'OK', head: 11 }], 900)
    expect(subject.step(1800)).to.deep.equal({ kind: 'wait', until: 1900, idle: true })
    expect(subject.step(1900)).to.deep.equal({ kind: 'poll' })
  })

  for (const [meta, why] of [
    [null, 'empty'],
    [{ epoch: 'F' as Epoch, head: 20 }, 'epoch'],
    [{ epoch: EPOCH, head: 9 }, 'rolled'],
  ] as const)
    it(`finds without a delivery that Redis is not what it was: ${why}`, () => {
      const subject = chain()
      expect(subject.step(1000)).to.deep.equal({ kind: 'poll' })
      subject.polled([meta], 1000)
      expect(subject.step(1000)).to.deep.equal({ kind: 'attach', why })
    })

  it('moves its head when it finds that others have published what it has not been delivered yet', () => {
    const subject = chain()
    subject.polled([{ epoch: EPOCH, head: 12 }], 1000)
    for (const offset of [11, 12, 13]) subject.deliver(delivery(offset))
    const [call] = calls(subject.step(1000))
    expect(call).to.include({ prev: 12, last: 13 })
    expect(call?.deliveries.map(({ offset }) => offset)).to.deep.equal([13])
    expect(publish(subject, [{ kind: 'OK', head: 13 }], 1000)).to.deep.equal([11, 12, 13])
  })

  it('publishes what it has as one batch that follows head', () => {
    const subject = chain()
    subject.deliver(delivery(11))
    subject.deliver(delivery(13))
    const [call] = calls(subject.step(0))
    expect(call).to.include({
      partition: 0,
      epoch: 'E',
      prev: 10,
      last: 13,
      fingerprint: 'f13',
      retried: false,
    })
    expect(call?.deliveries.map(({ offset }) => offset)).to.deep.equal([11, 13])
  })

  it('goes on from its own last after OK, and is done with what went out', () => {
    const subject = chain()
    const first = delivery(11)
    subject.deliver(first)
    expect(publish(subject, [{ kind: 'OK', head: 11 }])).to.deep.equal([11])
    expect(first.published).to.equal(true)
    expect(subject.heads).to.deep.equal([11])
    expect(subject.leads).to.equal(true)
    subject.deliver(delivery(12))
    expect(calls(subject.step(0))[0]?.prev).to.equal(11)
  })

  it('follows after DUP: drops, waits and asks for head every 200 ms', () => {
    const subject = follower()
    expect(subject.leads).to.equal(false)
    subject.deliver(delivery(12, { receivedAt: 100 }))
    expect(subject.step(150)).to.deep.equal({ kind: 'wait', until: 200, idle: false })
    expect(subject.step(200)).to.deep.equal({ kind: 'poll' })
    expect(subject.polled([{ epoch: EPOCH, head: 12 }], 205).map(({ offset }) => offset)).to.deep.equal([12])
    expect(subject.step(210)).to.deep.equal({ kind: 'wait', until: 1205, idle: true })
  })

  it('drops up to head after PART and follows', () => {
    const subject = chain()
    for (const offset of [11, 12, 13]) subject.deliver(delivery(offset))
    expect(publish(subject, [{ kind: 'PART', head: 12 }])).to.deep.equal([11, 12])
    expect(subject.leads).to.equal(false)
    expect(subject.waiting).to.equal(1)
  })

  it('takes over when its oldest delivery has waited 500 ms', () => {
    const subject = follower()
    subject.deliver(delivery(12, { receivedAt: 1000 }))
    subject.polled([{ epoch: EPOCH, head: 11 }], 1400)
    expect(subject.step(1499)).to.deep.equal({ kind: 'wait', until: 1500, idle: false })
    expect(calls(subject.step(1500))[0]).to.include({ prev: 11, last: 12 })
    publish(subject, [{ kind: 'OK', head: 12 }], 1500)
    expect(subject.leads).to.equal(true)
  })

  it('asks sooner when its window is half full, so that it keeps up', () => {
    const subject = follower()
    for (let i = 12; i < 22; i++) subject.deliver(delivery(i))
    expect(subject.step(9)).to.deep.equal({ kind: 'wait', until: 10, idle: false })
    expect(subject.step(10)).to.deep.equal({ kind: 'poll' })
  })

  it('wants no more when its window is full, by deliveries or by bytes', () => {
    const subject = follower()
    for (let i = 12; i < 31; i++) subject.deliver(delivery(i))
    expect(subject.hasRoom).to.equal(true)
    subject.deliver(delivery(31))
    expect(subject.hasRoom).to.equal(false)
    subject.polled([{ epoch: EPOCH, head: 31 }], 10)
    expect(subject.hasRoom).to.equal(true)
    subject.deliver(delivery(32, { bytes: 999 }))
    expect(subject.hasRoom).to.equal(true)
    subject.deliver(delivery(33, { bytes: 1 }))
    expect(subject.hasRoom).to.equal(false)
  })

  it('wants no more after a gap, which it cannot take', () => {
    const subject = chain()
    subject.deliver(delivery(11))
    subject.deliver(delivery(20))
    expect(subject.hasRoom).to.equal(false)
  })

  it('sends the very same batch again when its answer got lost', () => {
    const subject = chain()
    subject.deliver(delivery(11))
    expect(publish(subject, [{ kind: 'lost' }])).to.deep.equal([])
    subject.deliver(delivery(12))
    expect(calls(subject.step(0))[0]).to.include({ prev: 10, last: 11, retried: true })
  })

  it('takes DUP at its own last for OK after a lost answer, and only then', () => {
    const subject = chain()
    subject.deliver(delivery(11))
    publish(subject, [{ kind: 'lost' }])
    publish(subject, [{ kind: 'DUP', head: 11 }])
    expect(subject.leads).to.equal(true)
    subject.deliver(delivery(12))
    publish(subject, [{ kind: 'lost' }])
    publish(subject, [{ kind: 'DUP', head: 15 }])
    expect(subject.leads).to.equal(false)
    expect(subject.heads).to.deep.equal([15])
  })

  for (const [answer, why] of [
    [{ kind: 'ROLLED', head: 5 }, 'rolled'],
    [{ kind: 'EMPTY' }, 'empty'],
    [{ kind: 'EPOCH', epoch: 'F' as Epoch }, 'epoch'],
    [{ kind: 'failed', why: 'OOM' }, 'failed'],
  ] as const)
    it(`attaches again after ${answer.kind}`, () => {
      const subject = chain()
      subject.deliver(delivery(11))
      expect(publish(subject, [answer])).to.deep.equal([])
      expect(subject.step(0)).to.deep.equal({ kind: 'attach', why })
      expect(subject.deliver(delivery(12))).to.equal(false)
    })

  for (const [meta, why] of [
    [null, 'empty'],
    [{ epoch: 'F' as Epoch, head: 20 }, 'epoch'],
    [{ epoch: EPOCH, head: 10 }, 'rolled'],
  ] as const)
    it(`attaches again when it asks and finds: ${why}`, () => {
      const subject = follower()
      subject.polled([meta], 0)
      expect(subject.step(0)).to.deep.equal({ kind: 'attach', why })
    })

  it('attaches again when the consumer ended', () => {
    const subject = chain()
    subject.ended()
    expect(subject.step(0)).to.deep.equal({ kind: 'attach', why: 'ended' })
  })

  it('accepts a step of two, as a segment roll makes it', () => {
    expect(chain().deliver(delivery(12))).to.equal(true)
  })

  it('finishes what it has before it attaches again for a larger step', () => {
    const subject = chain()
    subject.deliver(delivery(11))
    expect(subject.deliver(delivery(14))).to.equal(false)
    expect(subject.deliver(delivery(15))).to.equal(false)
    publish(subject, [{ kind: 'OK', head: 11 }])
    expect(subject.step(0)).to.deep.equal({ kind: 'attach', why: 'gap' })
    expect(subject.jump).to.deep.equal({ from: 11, to: 14 })
  })

  it('takes the same step for part of the stream when it meets it again after attaching', () => {
    const known = ({ from, to }: Jump) => from === 11 && to === 14
    expect(chain([11]).deliver(delivery(14), known)).to.equal(true)
    expect(chain([11]).deliver(delivery(15), known)).to.equal(false)
  })

  it('refuses an offset that does not rise', () => {
    const subject = chain()
    subject.deliver(delivery(11))
    expect(subject.deliver(delivery(11))).to.equal(false)
  })

  describe('with several partitions', () => {
    it('gives each its own events, all up to the same last', () => {
      const subject = chain([10, 10, 10])
      subject.deliver(delivery(11, { target: 0 }))
      subject.deliver(delivery(12, { target: 1 }))
      const [zero, one, two] = calls(subject.step(0))
      expect(zero).to.include({ partition: 0, prev: 10, last: 12 })
      expect(one).to.include({ partition: 1, prev: 10, last: 12 })
      expect(one?.deliveries.map(({ offset }) => offset)).to.deep.equal([12])
      expect(two).to.equal(undefined)
    })

    it('moves every head with a canary', () => {
      const subject = chain([10, 10])
      subject.deliver(delivery(11, { event: null, target: EVERY_PARTITION }))
      expect(calls(subject.step(0)).map(({ partition }) => partition)).to.deep.equal([0, 1])
    })

    it('starts from the lowest head and leaves out what a partition already has', () => {
      const subject = chain([10, 12])
      subject.deliver(delivery(11, { target: 1 }))
      subject.deliver(delivery(12, { target: 0 }))
      subject.deliver(delivery(13, { target: 1 }))
      const got = calls(subject.step(0))
      expect(got.map(({ prev, last }) => [prev, last])).to.deep.equal([
        [10, 13],
        [12, 13],
      ])
      expect(got[1]?.deliveries.map(({ offset }) => offset)).to.deep.equal([13])
    })

    it('leads one and follows another', () => {
      const subject = chain([10, 10])
      subject.deliver(delivery(11, { target: 0 }))
      subject.deliver(delivery(12, { target: 1 }))
      publish(subject, [
        { kind: 'OK', head: 12 },
        { kind: 'PART', head: 11 },
      ])
      expect(subject.leads).to.equal(true)
      subject.deliver(delivery(13, { target: 1, receivedAt: 0 }))
      subject.deliver(delivery(14, { target: 0, receivedAt: 0 }))
      expect(calls(subject.step(1)).map(({ partition }) => partition)).to.deep.equal([0])
      expect(calls(subject.step(500)).map(({ partition }) => partition)).to.deep.equal([0, 1])
    })

    it('repeats only the call whose answer got lost', () => {
      const subject = chain([10, 10])
      subject.deliver(delivery(11, { target: EVERY_PARTITION }))
      publish(subject, [{ kind: 'OK', head: 11 }, { kind: 'lost' }])
      expect(subject.waiting).to.equal(1)
      expect(calls(subject.step(0)).map(({ partition }) => partition)).to.deep.equal([1])
      expect(publish(subject, [{ kind: 'OK', head: 11 }])).to.deep.equal([11])
    })
  })
})
