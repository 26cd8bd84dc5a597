import { duration, summarise, tokenLines } from '@wazo-websocketd/edge/ctl/explain/token-text'
import type { TokenId } from '@wazo-websocketd/shared/domain/identity'
import { expect } from 'chai'
import { identityOf } from '../../../../support/fakes/recipients.js'

const SECRET = 'the-secret-token' as TokenId
const NOW = Date.UTC(2026, 0, 1)

function lines(acl: readonly string[], expiresAt: number, admin = false): readonly string[] {
  const details = { token: SECRET, sessionUuid: 's', userUuid: 'u', tenantUuid: 't', admin, acl, expiresAt }
  return tokenLines(summarise(details, identityOf({ admin, acl }), NOW))
}

describe('what is told of a token', () => {
  it('is who it is, how long it lives and what it may, and never the token', () => {
    const text = lines(['confd.a', '!confd.b', 'events.#', 'confd.c'], NOW + 4_320_000)
    expect(text.slice(1)).to.deep.equal([
      'user u of tenant t',
      'sees the events for its user, and those for every user of its tenant',
      'ACL of 4 patterns, by their first word:',
      '  confd: 2, 1 that deny',
      '  events: 1',
    ])
    expect(text[0]).to.match(/^token [0-9a-f]{8}: expires in 1 h 12 min, 2026-01-01T01:12:00.000Z$/)
    expect(text.join()).not.to.include(SECRET)
  })

  it('is that it has expired, or sees more than others', () => {
    expect(lines([], NOW - 1)[0]).to.include('has expired')
    expect(lines([], NOW, true)[2]).to.include('every user')
  })

  it('is cut where an ACL has groups without end', () => {
    const acl = Array.from({ length: 100 }, (_, i) => `g${i}.x`)
    expect(lines(acl, NOW).at(-1)).to.equal('  and 70 more')
  })

  for (const [seconds, text] of [
    [0, '0 s'],
    [59.4, '59 s'],
    [61, '1 min 1 s'],
    [7_260, '2 h 1 min'],
    [90_000, '1 d 1 h'],
    [-5, '0 s'],
  ] as const)
    it(`${seconds} s are ${text}`, () => {
      expect(duration(seconds)).to.equal(text)
    })
})
