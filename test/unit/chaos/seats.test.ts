import { expect } from 'chai'
import { Rights } from '../../support/checker/rights.js'
import { Catalogue } from '../../support/scenario/catalogue.js'
import { Random } from '../../support/scenario/random.js'
import { seatsFor } from '../../support/scenario/seats.js'
import { MASTER_TENANT } from '../../support/auth.mjs'
import { soundHistory } from './histories.js'

describe('The load of a chaos run', () => {
  it('is the same for the same seed', () => {
    expect(seatsFor(3, 2)).to.deep.equal(seatsFor(3, 2))
    expect(seatsFor(3, 2)).to.not.deep.equal(seatsFor(4, 2))
    const picks = (seed: number): number[] => {
      const [random, catalogue] = [new Random(seed), new Catalogue()]
      return Array.from({ length: 50 }, () => catalogue.pick(random))
    }
    expect(picks(3)).to.deep.equal(picks(3))
    expect(picks(3)).to.not.deep.equal(picks(4))
  })

  it('has seats of both versions, all styles and `*`, and sentinels that see all on each host', () => {
    const seats = seatsFor(1, 2)
    expect(new Set(seats.map(({ version }) => version)).size).to.equal(2)
    expect(new Set(seats.map(({ style }) => style)).size).to.equal(7)
    expect(seats.filter(({ subscriptions }) => subscriptions.includes('*')).length).to.be.within(20, 80)
    expect(seats.filter(({ sentinel }) => sentinel).map(({ host }) => host)).to.deep.equal([0, 1, 0, 1])
  })

  it('reaches more than 600 deliveries a second with 120 events, if all that may see an event get it', () => {
    const catalogue = new Catalogue()
    const seats = seatsFor(1, 2)
    const token = (i: number) => ({
      ...soundHistory(1).tokens[0]!,
      session_uuid: `s${i}`,
      acl: seats[i]!.acl,
      metadata: {
        uuid: seats[i]!.user,
        tenant_uuid: seats[i]!.tenant,
        purpose: seats[i]!.purpose,
        admin: seats[i]!.admin,
      },
    })
    const rights = new Rights(
      catalogue.shapes,
      MASTER_TENANT,
      new Map(seats.map((_, i) => [`s${i}`, token(i)])),
    )
    const random = new Random(9)
    let deliveries = 0
    for (let n = 0; n < 1200; n++) {
      const shape = catalogue.pick(random)
      for (const [i, { subscriptions }] of seats.entries())
        if (rights.allows({ from: 0, token: `s${i}`, subscriptions, askedAt: 0, answeredAt: 0 }, shape))
          deliveries++
    }
    expect(deliveries / 10).to.be.within(600, 3000)
  })
})
