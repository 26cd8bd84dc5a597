import { LivePositions, positionsBehind } from '@wazo-websocketd/edge/session/live-positions'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { expect } from 'chai'
import { event, FakeBus } from '../../../support/fakes/session.js'

const AT = { epoch: 'epoch' as Epoch, offset: 99 }

describe('the position behind an event', () => {
  it('is that of the event in its own partition, and one text for all sessions', () => {
    const positions = new LivePositions(new FakeBus(), 1)
    const [first, second] = [event(11), event(12)]
    const ids = [first, first, second].map((each) => positions.ofPartition(each, AT))
    expect(ids).to.deep.equal(['epoch.0.b', 'epoch.0.b', 'epoch.0.c'])
  })

  it('is that of the event in its own partition, and the cursor of each other one', () => {
    const bus = new FakeBus()
    bus.cursors = [20, 21, 22]
    const positions = new LivePositions(bus, 3)
    const one = event(15, { tenant: null })
    expect(positions.ofAll(one)).to.equal('epoch.0.f_.1.l_.2.m')
    bus.cursors = [20, 31, 22]
    expect(positions.ofAll(one), 'the same as for all others').to.equal('epoch.0.f_.1.l_.2.m')
    expect(positions.ofAll(event(16, { tenant: null }))).to.equal('epoch.0.g_.1.v_.2.m')
  })

  it('leaves out partitions in which there is none', () => {
    const rows = positionsBehind(event(5), 1, [0, 1, 2], (partition) => (partition === 2 ? null : AT))
    expect([...rows]).to.deep.equal([
      [0, AT],
      [1, { ...AT, offset: 5 }],
    ])
  })
})
