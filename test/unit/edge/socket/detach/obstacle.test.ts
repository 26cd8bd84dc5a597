import { OBSTACLES, refusedBy } from '@wazo-websocketd/edge/socket/detach/obstacle'
import { expect } from 'chai'

describe('the obstacles to detaching', () => {
  it('pass when the client or the network only has to finish what it has begun', () => {
    const passing = OBSTACLES.filter((reason) => refusedBy(reason).transient)
    expect(passing).to.deep.equal(['mid-frame', 'mid-message', 'unsent'])
  })
})
