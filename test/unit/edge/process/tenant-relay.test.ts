import { TenantRelay } from '@wazo-websocketd/edge/process/tenant-relay'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { FakeWorker } from '../../../support/fakes/worker.js'

function setUp() {
  const clock = new FakeClock()
  const relay = new TenantRelay(clock)
  let started = 0
  /** A worker that says where its master tenant comes from. */
  const start = (source = 'here'): FakeWorker => {
    const worker = new FakeWorker(++started)
    relay.watch(worker)
    worker.ready()
    worker.say({ kind: 'tenant-source', source })
    return worker
  }
  return { clock, relay, start }
}

const knows = (tenant: string | null, asks: boolean) => ({ kind: 'tenant', tenant, asks })

describe('the master tenant among the workers of a host', () => {
  it('is asked for by one, and told to all, also to those that come later', () => {
    const { start } = setUp()
    const [first, second] = [start(), start()]
    expect([first.sent, second.sent]).to.deep.equal([[knows(null, true)], [knows(null, false)]])
    first.say({ kind: 'tenant', tenant: 'one' })
    first.say({ kind: 'tenant', tenant: 'one' })
    const third = start()
    first.say({ kind: 'tenant', tenant: 'two' })
    expect(first.sent.slice(1)).to.deep.equal([knows('one', true), knows('two', true)])
    expect(second.sent.slice(1)).to.deep.equal([knows('one', false), knows('two', false)])
    expect(third.sent).to.deep.equal([knows('one', false), knows('two', false)])
  })

  it('is asked for by the newest when the one that asked has ended', () => {
    const { relay, start } = setUp()
    const [first, second, third] = [start(), start(), start()]
    first.say({ kind: 'tenant', tenant: 'one' })
    second.exit(0, null)
    expect(third.sent.at(-1)).to.deep.equal(knows('one', false))
    first.exit(null, 'SIGKILL')
    expect(third.sent.at(-1)).to.deep.equal(knows('one', true))
    third.exit(0, null)
    expect(relay.size).to.equal(0)
    expect(start().sent, 'nothing is kept').to.deep.equal([knows(null, true)])
  })

  it('is asked for by another one when the one that asked hangs', () => {
    const { clock, start } = setUp()
    const [first, second] = [start(), start()]
    for (let i = 0; i < 5; i++) {
      clock.advance(1_000)
      second.say({ kind: 'missing', missing: [] })
    }
    expect(second.sent).to.deep.equal([knows(null, false)])
    clock.advance(1_000)
    second.say({ kind: 'missing', missing: [] })
    second.say({ kind: 'missing', missing: [] })
    expect(second.sent.slice(1)).to.deep.equal([knows(null, true)])
    expect(first.sent.slice(1), 'when it wakes up').to.deep.equal([knows(null, false)])
    first.say({ kind: 'missing', missing: [] })
    expect(first.sent).to.have.length(2)
  })

  it("is no other group's, as after a change of the configuration", () => {
    const { relay, start } = setUp()
    const [old, next] = [start('here'), start('there')]
    old.say({ kind: 'tenant', tenant: 'one' })
    expect(next.sent).to.deep.equal([knows(null, true)])
    old.exit(0, null)
    expect(next.sent).to.have.length(1)
    expect(relay.size).to.equal(1)
  })

  it('is no concern of a worker that does not say where its tenant comes from: of an older version', () => {
    const { relay } = setUp()
    const old = new FakeWorker(1)
    relay.watch(old)
    old.ready()
    old.say({ kind: 'tenant', tenant: 'one' })
    old.exit(0, null)
    expect([old.sent, relay.size]).to.deep.equal([[], 0])
  })
})
