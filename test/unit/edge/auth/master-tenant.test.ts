import { MasterTenant, type TenantShare } from '@wazo-websocketd/edge/auth/master-tenant'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { fakeLog } from '../../../support/fakes/log.js'

function setUp() {
  const clock = new FakeClock()
  const seen = { sources: [] as string[], told: [] as string[], changes: 0, times: 0, asking: false }
  let hear: (share: TenantShare) => void = () => undefined
  const master = new MasterTenant({
    clock,
    source: 'here',
    logger: fakeLog().logger,
    keeper: { start: () => void (seen.asking = true), stop: () => void (seen.asking = false) },
    sharing: {
      shareTenant(source, shared) {
        seen.sources.push(source)
        hear = shared
      },
      tellTenant: (tenant) => void seen.told.push(tenant),
    },
    changed: () => seen.changes++,
    learnTime: () => seen.times++,
  })
  master.start()
  return { clock, master, seen, hear: (share: TenantShare) => hear(share) }
}

describe('the master tenant', () => {
  it('is what wazo-auth has told to this worker, which tells the others', () => {
    const { master, seen, hear } = setUp()
    expect(seen.sources).to.deep.equal(['here'])
    expect([master.uuid, master.notReadyReason()]).to.deep.equal([undefined, 'auth: master tenant not known'])
    hear({ tenant: null, asks: true })
    expect(seen.asking).to.equal(true)
    master.learned('one')
    hear({ tenant: 'one', asks: true })
    master.learned('one')
    expect([master.uuid, master.notReadyReason()]).to.deep.equal(['one', null])
    expect(seen).to.deep.include({ changes: 1, times: 0, told: ['one', 'one'] })
    master.learned('two')
    expect([master.uuid, seen.changes]).to.deep.equal(['two', 2])
  })

  it('is what another worker has been told, without a question of this one but for the time', () => {
    const { clock, master, seen, hear } = setUp()
    hear({ tenant: null, asks: false })
    clock.advance(60_000)
    expect(seen).to.deep.include({ asking: false, times: 0 })
    hear({ tenant: 'one', asks: false })
    hear({ tenant: 'one', asks: false })
    hear({ tenant: 'two', asks: false })
    expect(master.uuid).to.equal('two')
    expect(seen).to.deep.include({ asking: false, times: 1, changes: 2, told: [] })
    expect(clock.pending).to.equal(0)
  })

  it('is asked for by this worker when it is its turn, and no more when it is not', () => {
    const { seen, hear } = setUp()
    hear({ tenant: 'one', asks: false })
    hear({ tenant: 'one', asks: true })
    expect(seen.asking).to.equal(true)
    hear({ tenant: 'one', asks: false })
    expect(seen.asking).to.equal(false)
  })

  it('is asked for by each worker under a primary that does not know how to share', () => {
    const { clock, master, seen } = setUp()
    clock.advance(999)
    expect(seen.asking).to.equal(false)
    clock.advance(1)
    expect(seen.asking).to.equal(true)
    master.learned('one')
    expect(master.uuid).to.equal('one')
  })

  it('is asked for no more once the worker ends', () => {
    const { clock, master, seen, hear } = setUp()
    hear({ tenant: null, asks: true })
    master.stop()
    expect([seen.asking, clock.pending]).to.deep.equal([false, 0])
    const other = setUp()
    other.master.stop()
    expect(other.clock.pending).to.equal(0)
  })
})
