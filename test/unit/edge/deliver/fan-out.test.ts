import { expect } from 'chai'
import { FanOut } from '@wazo-websocketd/edge/deliver/fan-out'
import { FakeClock } from '../../../support/fakes/clock.js'
import { event } from '../../../support/fakes/session.js'

describe('FanOut', () => {
  it('routes each event, then forgets what was known of the token that it revokes and ends its sessions', () => {
    const calls: unknown[] = []
    const clock = new FakeClock()
    const fanOut = new FanOut({
      router: { route: ({ offset }) => void calls.push(['route', offset]) },
      verdicts: { forget: (session) => void calls.push(['forget', session]) },
      sessions: { revoke: (...what) => void calls.push(['revoke', ...what]) },
      clock,
      metrics: { fanOutTook: (seconds) => void calls.push(['seconds', seconds]) },
    })
    fanOut.deliver(3, [event(1), event(2, { revokedSession: 'gone' }), event(3)])
    expect(calls).to.deep.equal([
      ['route', 1],
      ['route', 2],
      ['forget', 'gone'],
      ['revoke', 'gone', 3, 2],
      ['route', 3],
      ['seconds', 0],
    ])
  })
})
