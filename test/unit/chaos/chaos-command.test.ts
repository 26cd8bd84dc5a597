import { expect } from 'chai'
import type { FaultWindow } from '../../support/checker/history.js'
import { KINDS, KINDS_OF, KINDS_OF_UPGRADES } from '../../chaos/nemesis/kinds.js'
import { readOptions } from '../../chaos/nemesis/options.js'
import { refusalBy } from '../refusal.js'
import { invalidity, invalidityOfUpgrades } from '../../chaos/nemesis/summary.js'

const refusal = (...args: string[]): string => refusalBy(readOptions, args)

describe('npm run chaos', () => {
  it('runs all faults for half an hour unless told otherwise', () => {
    const defaults = {
      ...{ help: false, seed: null, minutes: 30, rounds: null, upgrades: null },
      ...{ layout: 'single', kinds: KINDS_OF.single },
    }
    expect(readOptions([])).to.deep.equal(defaults)
    expect(
      readOptions(['--seed', '7', '--minutes', '2.5', '--kinds', 'amqp-reset,ingest-kill']),
    ).to.deep.equal({
      help: false,
      seed: 7,
      minutes: 2.5,
      rounds: null,
      layout: 'single',
      kinds: ['amqp-reset', 'ingest-kill'],
      upgrades: null,
    })
  })

  it('runs as many upgrades as are wanted instead', () => {
    const { kinds, upgrades } = readOptions(['--upgrades', '20'])
    expect([kinds, upgrades]).to.deep.equal([KINDS_OF_UPGRADES, 20])
    for (const count of ['0', '-1', '1.5', '', 'x', '10000'])
      expect(refusal(`--upgrades=${count}`)).to.contain('--upgrades needs a whole number')
    expect(refusal('--upgrades', '2', '--minutes', '2')).to.contain('--upgrades goes with none')
  })

  it('runs as many rounds as are wanted, however long they take', () => {
    const { minutes, rounds, kinds } = readOptions(['--rounds', '3'])
    expect([minutes, rounds, kinds]).to.deep.equal([Infinity, 3, KINDS_OF.single])
    expect(refusal('--rounds', '0')).to.contain('--rounds needs a whole number')
    expect(refusal('--rounds', '3', '--minutes', '2')).to.contain('--rounds does not go with --minutes')
  })

  it('has another lay-out of brokers, with faults of its own', () => {
    const { layout, kinds } = readOptions(['--layout', 'cluster'])
    expect([layout, kinds]).to.deep.equal(['cluster', KINDS_OF.cluster])
    expect(new Set([...KINDS_OF.single, ...KINDS_OF.cluster]).size).to.equal(Object.keys(KINDS).length)
    expect(readOptions(['--layout', 'cluster', '--kinds', 'redis-reshard']).kinds).to.deep.equal([
      'redis-reshard',
    ])
    expect(refusal('--kinds', 'redis-reshard')).to.contain('of the lay-out single; there are ingest-kill')
    expect(refusal('--layout', 'cluster', '--kinds', 'redis-freeze')).to.contain('of the lay-out cluster')
    expect(refusal('--layout', 'ring')).to.equal('--layout needs one of single, cluster, not "ring"')
    expect(refusal('--layout', 'toString')).to.contain('--layout needs')
  })

  it('says in one line what is wrong with an option', () => {
    expect(refusal('--seed', 'x')).to.equal('--seed needs a whole number from 0 to 4294967295, not "x"')
    expect(refusal('--seed', '4294967296')).to.contain('--seed needs')
    for (const minutes of ['0', '-1', 'x', '', '1441', '1e3'])
      expect(refusal(`--minutes=${minutes}`)).to.contain('--minutes needs a number')
    expect(refusal('--kinds', 'amqp-reset,earthquake'))
      .to.contain('"earthquake"')
      .and.to.contain('amqp-reset')
    expect(refusal('--kinds', '')).to.contain('--kinds')
    expect(refusal('--unknown')).to.contain('--unknown')
    expect(refusal('7')).to.contain('7')
  })
})

describe('A chaos run', () => {
  const counts = {
    ...{ recoveries: 1, losses: 0, rolled: 0, empty: 1, takeovers: 1 },
    ...{ resumed: 0, placesNotLeft: 0 },
  }
  const window: FaultWindow = {
    ...{ kind: 'amqp-reset', from: 0, to: 1, codes: [], host: null },
    ...{ healedInTime: true, stallMsMax: null },
  }

  function reasons(
    times: number,
    changes: Partial<typeof counts> = {},
    broken: string | null = null,
  ): string[] {
    const faults = Array.from({ length: times }, () => window)
    return invalidity({ faults }, { ...counts, ...changes }, ['amqp-reset'], broken)
  }

  it('is valid when each kind came up three times, with a recovery, a takeover and a Redis that lost data', () => {
    expect(reasons(3)).to.deep.equal([])
    expect(reasons(3, { empty: 0, rolled: 2 })).to.deep.equal([])
  })

  it('is invalid otherwise, and says why', () => {
    expect(reasons(2)).to.deep.equal(['amqp-reset came up 2 times, less than 3'])
    expect(reasons(3, { recoveries: 0 }).join()).to.contain('no recovery')
    expect(reasons(3, { takeovers: 0 }).join()).to.contain('no takeover')
    expect(reasons(3, { empty: 0 }).join()).to.contain('no ROLLED or EMPTY')
    expect(reasons(3, {}, 'it broke')).to.deep.equal(['it broke'])
  })

  it('of upgrades is valid when all wanted ones succeeded and workers were killed', () => {
    const done = (result: 'success' | 'failure', kills: number): FaultWindow => ({
      ...{ ...window, kind: 'edge-upgrade', host: 0 },
      upgrade: { result, handovers: {}, kills },
    })
    const faults = [done('success', 0), done('failure', 1), done('success', 0)]
    expect(invalidityOfUpgrades({ faults }, 2, null)).to.deep.equal([])
    expect(invalidityOfUpgrades({ faults }, 3, null)).to.deep.equal(['2 upgrades succeeded, less than 3'])
    expect(invalidityOfUpgrades({ faults }, 2, 'it broke')).to.deep.equal(['it broke'])
    const calm = faults.filter(({ upgrade }) => upgrade!.kills === 0)
    expect(invalidityOfUpgrades({ faults: calm }, 2, null)).to.deep.equal(['no worker was killed'])
  })
})
