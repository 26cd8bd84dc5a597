import { expect } from 'chai'
import { EVERY_PARTITION } from '@wazo-websocketd/ingest/normalise/delivery'
import { Sequencer, type PublishAnswer, type PublishCall } from '@wazo-websocketd/ingest/publish/sequencer'
import { DeliveryWindow } from '@wazo-websocketd/ingest/publish/window'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { delivery } from '../../../support/fakes/delivery.js'

const EPOCH = 'E' as Epoch
const OPTIONS = {
  headPollMs: 200,
  backlogPollMs: 10,
  idlePollMs: 1000,
  takeoverMs: 500,
  unreachableMs: 2000,
}
const LIMITS = {
  batchCountMax: 100,
  batchBytesMax: 1000,
  windowMax: 20,
  windowBytesMax: 1000,
  lingerMs: 1500,
}

/** A sequencer whose partition stands at `head`, over a window that begins at `base`. */
function sequencer(head: number | null = 10, { base = head ?? 10, partition = 0 } = {}) {
  const window = new DeliveryWindow(LIMITS, base)
  const subject = new Sequencer(OPTIONS, { partition, epoch: EPOCH, head, rejoinMs: 10_000 }, window, 0)
  const push = (...offsets: number[]): void => {
    for (const offset of offsets) window.push(delivery(offset))
  }
  const call = (now = 0): PublishCall => {
    const step = subject.step(now)
    if (step.kind !== 'publish') throw new Error(`expected a publish, got ${step.kind}`)
    return step.call
  }
  const publish = (answer: PublishAnswer, now = 0): void => subject.answered(call(now), answer, now)
  return { window, subject, push, call, publish }
}

/** A sequencer that follows: its delivery 11 was answered DUP. */
function follower() {
  const made = sequencer()
  made.push(11)
  made.publish({ kind: 'DUP', head: 11 })
  return made
}

const offsets = (call: PublishCall): number[] => call.deliveries.map(({ offset }) => offset)

describe('Sequencer', () => {
  it('has nothing to do without a delivery but to ask for head once a second', () => {
    const { subject } = sequencer()
    for (const now of [0, 999]) expect(subject.step(now)).to.deep.equal({ kind: 'wait', until: 1000 })
    expect(subject.isIdle(0)).to.equal(true)
    expect(subject.step(1000)).to.deep.equal({ kind: 'poll' })
    subject.polled({ epoch: EPOCH, offset: 10 }, 1003)
    expect(subject.step(1003)).to.deep.equal({ kind: 'wait', until: 2003 })
  })

  it('need not ask a Redis that has just answered', () => {
    const { subject, push, publish } = sequencer()
    push(11)
    publish({ kind: 'OK', head: 11 }, 900)
    expect(subject.step(1800)).to.deep.equal({ kind: 'wait', until: 1900 })
    expect(subject.step(1900)).to.deep.equal({ kind: 'poll' })
  })

  for (const [meta, why] of [
    [null, 'empty'],
    [{ epoch: 'F' as Epoch, offset: 20 }, 'epoch'],
    [{ epoch: EPOCH, offset: 9 }, 'rolled'],
  ] as const)
    it(`finds when it asks that Redis is not what it was: ${why}`, () => {
      for (const { subject } of [sequencer(), follower()]) {
        subject.polled(meta, 1000)
        expect(subject.step(1000)).to.deep.equal({ kind: 'attach', why })
      }
    })

  it('moves its head when it finds that others have published what it has not been delivered yet', () => {
    const { subject, push, call } = sequencer()
    subject.polled({ epoch: EPOCH, offset: 12 }, 1000)
    push(11, 12, 13)
    expect(call(1000)).to.include({ prev: 12, last: 13 })
    expect(offsets(call(1000))).to.deep.equal([13])
  })

  it('publishes what it has as one batch that follows head', () => {
    const { push, call } = sequencer()
    push(11, 13)
    const got = call()
    expect(got).to.include({
      partition: 0,
      epoch: 'E',
      prev: 10,
      last: 13,
      fingerprint: 'f13',
      retried: false,
    })
    expect(offsets(got)).to.deep.equal([11, 13])
  })

  it('goes on from its own last after OK, and knows what it brought in', () => {
    const { window, subject, push, call, publish } = sequencer()
    const first = delivery(11)
    window.push(first)
    publish({ kind: 'OK', head: 11 })
    expect([first.published, subject.head, subject.leads]).to.deep.equal([true, 11, true])
    push(12)
    expect(call().prev).to.equal(11)
  })

  it('follows after DUP: waits and asks for head every 200 ms', () => {
    const { window, subject } = follower()
    expect(subject.leads).to.equal(false)
    window.push(delivery(12, { receivedAt: 100 }))
    expect(subject.isIdle(150)).to.equal(false)
    expect(subject.step(150)).to.deep.equal({ kind: 'wait', until: 200 })
    expect(subject.step(200)).to.deep.equal({ kind: 'poll' })
    subject.polled({ epoch: EPOCH, offset: 12 }, 205)
    expect([subject.head, subject.isIdle(210)]).to.deep.equal([12, true])
    expect(subject.step(210)).to.deep.equal({ kind: 'wait', until: 1205 })
  })

  it('goes on above head after PART and follows', () => {
    const { subject, push, publish } = sequencer()
    push(11, 12, 13)
    publish({ kind: 'PART', head: 12 })
    expect([subject.leads, subject.head, subject.isIdle(0)]).to.deep.equal([false, 12, false])
  })

  it('takes over when its oldest delivery has waited 500 ms', () => {
    const { window, subject, call, publish } = follower()
    window.push(delivery(12, { receivedAt: 1000 }))
    subject.polled({ epoch: EPOCH, offset: 11 }, 1400)
    expect(subject.step(1499)).to.deep.equal({ kind: 'wait', until: 1500 })
    expect(call(1500)).to.include({ prev: 11, last: 12 })
    publish({ kind: 'OK', head: 12 }, 1500)
    expect(subject.leads).to.equal(true)
  })

  it('asks sooner when its window is half full, so that it keeps up', () => {
    const { subject, push } = follower()
    for (let i = 12; i < 22; i++) push(i)
    expect(subject.step(9)).to.deep.equal({ kind: 'wait', until: 10 })
    expect(subject.step(10)).to.deep.equal({ kind: 'poll' })
  })

  it('sends the very same batch again when its answer got lost', () => {
    const { push, call, publish } = sequencer()
    push(11)
    publish({ kind: 'lost', why: '' })
    push(12)
    expect(call()).to.include({ prev: 10, last: 11, retried: true })
  })

  it('takes DUP at its own last for OK after a lost answer, and only then', () => {
    const { subject, push, publish } = sequencer()
    push(11)
    publish({ kind: 'lost', why: '' })
    publish({ kind: 'DUP', head: 11 })
    expect(subject.leads).to.equal(true)
    push(12)
    publish({ kind: 'lost', why: '' })
    publish({ kind: 'DUP', head: 15 })
    expect([subject.leads, subject.head]).to.deep.equal([false, 15])
  })

  for (const [answer, why] of [
    [{ kind: 'ROLLED', head: 5 }, 'rolled'],
    [{ kind: 'EMPTY' }, 'empty'],
    [{ kind: 'CORRUPT' }, 'empty'],
    [{ kind: 'EPOCH', epoch: 'F' as Epoch }, 'epoch'],
    [{ kind: 'failed', why: 'WRONGTYPE' }, 'failed'],
  ] as const)
    it(`attaches again after ${answer.kind}`, () => {
      const { subject, push, publish } = sequencer()
      push(11)
      publish(answer)
      expect(subject.step(0)).to.deep.equal({ kind: 'attach', why })
    })

  it('leaves to other partitions what is theirs, and moves its head over it', () => {
    const { window, subject, call } = sequencer(10, { partition: 1 })
    window.push(delivery(11))
    expect(subject.step(0).kind, 'nothing of its own').to.equal('wait')
    window.push(delivery(12, { target: 1 }))
    window.push(delivery(13))
    expect(call()).to.include({ partition: 1, prev: 10, last: 13 })
    expect(offsets(call())).to.deep.equal([12])
  })

  it('leaves out what it already has where another partition stands lower', () => {
    const { push, call } = sequencer(12, { base: 10 })
    push(11, 12, 13)
    expect([call().prev, offsets(call())]).to.deep.equal([12, [13]])
  })

  it('is not behind where nothing but deliveries of others have left the window', () => {
    const { window, subject, call } = sequencer(10, { partition: 1 })
    window.push(delivery(11))
    window.release(() => true)
    subject.polled({ epoch: EPOCH, offset: 10 }, 1000)
    expect(subject.step(1000).kind).to.equal('wait')
    window.push(delivery(12, { target: 1, receivedAt: 1000 }))
    expect(call(1000)).to.include({ prev: 10, last: 12 })
  })

  it('moves its head with a canary, and has one that is not urgent wait for others', () => {
    const { window, subject, call } = sequencer(10, { partition: 1 })
    const canary = { event: null, target: EVERY_PARTITION }
    window.push(delivery(11, { ...canary, urgent: false }))
    expect(subject.step(0)).to.deep.equal({ kind: 'wait', until: 1000 })
    window.push(delivery(12, canary))
    expect(offsets(call())).to.deep.equal([11, 12])
  })

  describe('when Redis does not answer for its partition', () => {
    it('counts as unreachable after two seconds, whether it asks or publishes, until Redis answers', () => {
      for (const isPublishing of [true, false]) {
        const { subject, push, publish } = sequencer()
        if (isPublishing) push(11)
        if (isPublishing) publish({ kind: 'lost', why: '' }, 1000)
        else subject.failed(1000)
        expect([
          subject.isIdle(1000),
          subject.isUnreachable(2999),
          subject.isUnreachable(3000),
        ]).to.deep.equal([false, false, true])
        if (isPublishing) publish({ kind: 'OK', head: 11 }, 4000)
        else subject.polled({ epoch: EPOCH, offset: 10 }, 4000)
        expect([subject.isIdle(4000), subject.isUnreachable(9000)]).to.deep.equal([true, false])
      }
    })

    it('is unreachable from the start if its head is not known, and asks until Redis answers', () => {
      const { subject, push } = sequencer(null)
      push(11)
      expect([subject.isUnreachable(0), subject.isIdle(0), subject.leads]).to.deep.equal([true, false, false])
      expect(subject.step(0)).to.deep.equal({ kind: 'wait', until: 1000 })
      expect(subject.step(1000)).to.deep.equal({ kind: 'poll' })
      subject.polled({ epoch: EPOCH, offset: 10 }, 1000)
      expect([subject.step(1000).kind, subject.isUnreachable(1000)]).to.deep.equal(['publish', false])
    })

    it('attaches again when it comes back with a head below what the others have gone on to', () => {
      for (const head of [10, null]) {
        const { window, subject, push } = sequencer(head)
        push(11, 12)
        window.release(() => true)
        subject.polled({ epoch: EPOCH, offset: 11 }, 1000)
        expect(subject.step(1000)).to.deep.equal({ kind: 'attach', why: 'behind' })
      }
    })

    it('attaches again when a batch goes in that the others did not wait for', () => {
      const { window, subject, push, publish } = sequencer()
      push(11)
      publish({ kind: 'lost', why: '' })
      push(12)
      window.release(() => true)
      publish({ kind: 'OK', head: 11 }, 5000)
      expect(subject.step(5000)).to.deep.equal({ kind: 'attach', why: 'behind' })
    })

    it('publishes nothing behind what the others did not wait for: it asks', () => {
      const { window, subject, push } = sequencer()
      subject.failed(1000)
      push(11)
      window.release(() => true)
      push(12)
      expect(subject.step(1100)).to.deep.equal({ kind: 'wait', until: 2000 })
      expect(subject.step(2000)).to.deep.equal({ kind: 'poll' })
      subject.polled({ epoch: EPOCH, offset: 11 }, 2000)
      expect(subject.step(2000).kind, 'another one has published it').to.equal('publish')
    })
  })
})
