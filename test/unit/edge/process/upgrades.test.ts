import type { Generation } from '@wazo-websocketd/edge/process/generation'
import { Upgrades } from '@wazo-websocketd/edge/process/upgrades'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { fakeLog } from '../../../support/fakes/log.js'
import { generation } from '../../../support/fakes/worker.js'

const settle = () => new Promise((resolve) => setImmediate(resolve))

/** Upgrades over a pool and a disk that the test answers for. */
function setUp() {
  const { logger, entries } = fakeLog()
  const loads: {
    give: (generation: Generation) => void
    fail: (error: Error) => void
    signal: AbortSignal
  }[] = []
  const replacements: { to: Generation; done: () => void; fail: (error: Error) => void }[] = []
  const states: string[] = []
  const upgrades = new Upgrades({
    load: (signal) => new Promise((give, fail) => loads.push({ give, fail, signal })),
    pool: {
      replace: (to) => new Promise((done, fail) => replacements.push({ to, done, fail })),
      renewCertificate: (to) => to.version === CERTIFICATE_ONLY.version,
    },
    started: generation({ restartOnly: { 'metrics.edge_port': '9504' } }),
    upgraded: ({ version }) => void states.push(`all ${version}`),
    metrics: {
      upgrading: (is) => void states.push(is ? 'begins' : 'ends'),
      upgraded: (result) => void states.push(result),
    },
    clock: new FakeClock(),
    logger,
  })
  const errors = () => entries.filter(({ level }) => level === 50).map(({ why }) => why)
  return { upgrades, loads, replacements, states, entries, errors }
}

const NEXT = generation({ version: '2.0.0' })
/** The pool says of it that nothing but the certificate is new. */
const CERTIFICATE_ONLY = generation({ version: '1.0.0-renewed' })

describe('an upgrade', () => {
  it('replaces the workers by what the code on disk has read', async () => {
    const { upgrades, loads, replacements, states, errors } = setUp()
    upgrades.request()
    loads[0]!.give(NEXT)
    await settle()
    expect(replacements[0]!.to).to.equal(NEXT)
    expect(states).to.deep.equal(['begins'])
    replacements[0]!.done()
    await settle()
    expect(states).to.deep.equal(['begins', 'all 2.0.0', 'success', 'ends'])
    expect(errors()).to.deep.equal([])
  })

  it('that needs only the new certificate replaces no worker', async () => {
    const { upgrades, loads, replacements, states, errors } = setUp()
    upgrades.request()
    loads[0]!.give(CERTIFICATE_ONLY)
    await settle()
    expect(replacements).to.deep.equal([])
    expect(states).to.deep.equal(['begins', 'all 1.0.0-renewed', 'success', 'ends'])
    expect(errors()).to.deep.equal([])
  })

  it('that cannot read the configuration touches no worker', async () => {
    const { upgrades, loads, replacements, states, errors } = setUp()
    upgrades.request()
    loads[0]!.fail(new Error('config.yml: websocket.port: must be a number'))
    await settle()
    expect(replacements).to.deep.equal([])
    expect(states).to.deep.equal(['begins', 'failure', 'ends'])
    expect(errors()).to.deep.equal(['config.yml: websocket.port: must be a number'])
  })

  it('whose workers fail says so, and the next one may go well', async () => {
    const { upgrades, loads, replacements, states, errors } = setUp()
    upgrades.request()
    loads[0]!.give(NEXT)
    await settle()
    replacements[0]!.fail(new Error('not ready'))
    await settle()
    expect(errors()).to.deep.equal(['not ready'])
    upgrades.request()
    loads[1]!.give(NEXT)
    await settle()
    replacements[1]!.done()
    await settle()
    expect(states).to.deep.equal(['begins', 'failure', 'ends', 'begins', 'all 2.0.0', 'success', 'ends'])
  })

  it('that is asked for during another one comes after it, once, and reads the disk again', async () => {
    const { upgrades, loads, replacements, states } = setUp()
    upgrades.request()
    upgrades.request()
    loads[0]!.give(NEXT)
    await settle()
    upgrades.request()
    upgrades.request()
    expect(loads).to.have.length(1)
    replacements[0]!.done()
    await settle()
    expect(loads).to.have.length(2)
    loads[1]!.give(generation({ version: '3.0.0' }))
    await settle()
    replacements[1]!.done()
    await settle()
    expect(loads).to.have.length(2)
    expect(states.filter((state) => state.startsWith('all'))).to.deep.equal(['all 2.0.0', 'all 3.0.0'])
    expect(states.at(-1)).to.equal('ends')
  })

  it('is given up when the program ends, is no failure, and no other one follows', async () => {
    const { upgrades, loads, replacements, states, errors } = setUp()
    upgrades.request()
    upgrades.request()
    expect(loads[0]!.signal.aborted).to.equal(false)
    upgrades.stop()
    expect(loads[0]!.signal.aborted).to.equal(true)
    loads[0]!.fail(new Error('aborted'))
    await settle()
    upgrades.request()
    await settle()
    expect(loads).to.have.length(1)
    expect(replacements).to.deep.equal([])
    expect(states).to.deep.equal(['begins', 'ends'])
    expect(errors()).to.deep.equal([])
  })

  it('names changed keys that only a restart takes up', async () => {
    const { upgrades, loads, entries } = setUp()
    upgrades.request()
    loads[0]!.give(generation({ restartOnly: { 'metrics.edge_port': '1234' }, remarks: ['unknown key'] }))
    await settle()
    expect(entries.some(({ key }) => key === 'metrics.edge_port')).to.equal(true)
    expect(entries.some(({ msg }) => msg === 'unknown key')).to.equal(true)
  })
})
