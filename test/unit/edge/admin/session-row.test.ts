import { matches, sessionRow, type ListedSession } from '@wazo-websocketd/edge/admin/session-row'
import { hashTag, hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { expect } from 'chai'
import { identityOf } from '../../../support/fakes/recipients.js'

const TOKEN = 'a-very-secret-token'

function session(over: Partial<ListedSession> = {}): ListedSession {
  return {
    token: TOKEN,
    owner: identityOf({ userUuid: 'u', tenantUuid: 't' }),
    address: '192.0.2.1',
    version: 2,
    openedAt: Date.UTC(2026, 0, 1),
    started: true,
    events: 12,
    ending: false,
    subscriptions: new Set(['a', 'b', 'c']),
    feed: { behind: 0 },
    socket: { bufferedBytes: 0, lastPongAt: 500 },
    ...over,
  }
}

describe('the row of a session', () => {
  it('has all that is asked for, and no token', () => {
    const text = sessionRow(session(), { slot: 3, namesMax: 2, now: 3_040 })
    expect(JSON.parse(text)).to.deep.equal({
      worker: 3,
      token: hashTag(hashToken(TOKEN)),
      user: 'u',
      tenant: 't',
      admin: false,
      master: false,
      address: '192.0.2.1',
      version: 2,
      since: '2026-01-01T00:00:00.000Z',
      started: true,
      closing: false,
      subscriptions: ['a', 'b'],
      subscriptionCount: 3,
      sentEvents: 12,
      bufferedBytes: 0,
      behind: 0,
      lastPongSeconds: 2.5,
    })
    expect(text).not.to.include(TOKEN)
  })

  it('says what is not known yet', () => {
    const young = session({ owner: null, socket: { bufferedBytes: 0, lastPongAt: null } })
    const row = JSON.parse(sessionRow(young, { slot: 0, namesMax: 0, now: 0 })) as Record<string, unknown>
    expect(row).to.include({ user: null, tenant: null, admin: null, lastPongSeconds: null })
  })
})

describe('the filter of sessions', () => {
  const hash = hashToken(TOKEN)
  const cases: readonly (readonly [string, object, boolean])[] = [
    ['nothing', {}, true],
    ['its user', { user: 'u' }, true],
    ['another user', { user: 'v' }, false],
    ['its tenant', { tenant: 't' }, true],
    ['another tenant', { tenant: 'v' }, false],
    ['its tag', { tokenHash: hashTag(hash) }, true],
    ['its whole hash', { tokenHash: hash }, true],
    ['another hash', { tokenHash: '0'.repeat(8) }, false],
    ['its user in another tenant', { user: 'u', tenant: 'v' }, false],
  ]
  for (const [what, filter, expected] of cases)
    it(`${expected ? 'admits' : 'leaves out'} a session by ${what}`, () => {
      expect(matches(session(), { slow: false, ...filter })).to.equal(expected)
    })

  it('knows slow ones by what waits for them, here or in the log', () => {
    expect(matches(session(), { slow: true })).to.equal(false)
    expect(matches(session({ feed: { behind: 1 } }), { slow: true })).to.equal(true)
    const full = session({ socket: { bufferedBytes: 1, lastPongAt: null } })
    expect(matches(full, { slow: true })).to.equal(true)
  })

  it("asks wazo-auth first: a session without an owner is nobody's", () => {
    expect(matches(session({ owner: null }), { slow: false, user: 'u' })).to.equal(false)
  })
})
