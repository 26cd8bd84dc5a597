import {
  identify,
  parseTokenId,
  type TokenDetails,
  type TokenId,
} from '@wazo-websocketd/shared/domain/identity'
import { expect } from 'chai'

describe('identity: what can be a token id', () => {
  for (const raw of ['a', '0f3c8e1a-7b1c-4d8f-9a53-3f1f6a4b2c11', 'A.b_c-9', '...', '.a', 'x'.repeat(128)])
    it(`accepts ${raw.slice(0, 40)}`, () => {
      expect(parseTokenId(raw)).to.equal(raw)
    })

  for (const raw of ['', '.', '..', 'a b', 'a/b', 'a?scope=x', 'a%2e', 'é', 'a\n', '\na', 'x'.repeat(129)])
    it(`refuses ${JSON.stringify(raw.slice(0, 40))}`, () => {
      expect(parseTokenId(raw)).to.equal(null)
    })
})

describe('identity: who a session is', () => {
  const details: TokenDetails = {
    token: 'secret' as TokenId,
    sessionUuid: 'session-1',
    userUuid: 'user-1',
    tenantUuid: 'tenant-1',
    admin: false,
    acl: ['events.#'],
    expiresAt: 1,
  }

  it('is an ordinary user outside the master tenant', () => {
    expect(identify(details, 'master')).to.deep.equal({
      sessionUuid: 'session-1',
      userUuid: 'user-1',
      tenantUuid: 'tenant-1',
      acl: ['events.#'],
      master: false,
      admin: false,
    })
  })

  it('is an admin of its tenant when the token says so', () => {
    expect(identify({ ...details, admin: true }, 'master')).to.include({ master: false, admin: true })
  })

  it('is master and admin in the master tenant, whatever the token says', () => {
    expect(identify({ ...details, tenantUuid: 'master' }, 'master')).to.include({ master: true, admin: true })
  })

  it('is no master on an old Wazo, where nobody has a tenant', () => {
    expect(identify({ ...details, tenantUuid: '' }, '')).to.include({ master: false, admin: false })
  })

  it('carries neither the token nor its expiry', () => {
    expect(JSON.stringify(identify(details, 'master'))).not.to.contain('secret')
    expect(identify(details, 'master')).not.to.have.any.keys('token', 'expiresAt')
  })
})
