import { parseServiceToken, parseTokenAnswer, parseUtc } from '@wazo-websocketd/edge/auth/token-answer'
import type { TokenId } from '@wazo-websocketd/shared/domain/identity'
import { expect } from 'chai'

const token = 'the-token' as TokenId
const data = {
  token: 'the-token',
  session_uuid: 'the-session',
  auth_id: 'x',
  acl: ['websocketd', '!secret'],
  utc_expires_at: '2026-11-24T02:00:00.250000',
  metadata: { uuid: 'the-user', tenant_uuid: 'the-tenant', purpose: 'user', admin: false },
}

function parse(change: object): unknown {
  return parseTokenAnswer(token, JSON.stringify({ data: { ...data, ...change } }), false)
}

describe('answer about a token', () => {
  it('is read field by field', () => {
    expect(parse({})).to.deep.equal({
      token: 'the-token',
      sessionUuid: 'the-session',
      userUuid: 'the-user',
      tenantUuid: 'the-tenant',
      admin: false,
      acl: ['websocketd', '!secret'],
      expiresAt: Date.UTC(2026, 10, 24, 2, 0, 0, 250),
    })
  })

  const admins: [object, boolean][] = [
    [{ admin: true }, true],
    [{ admin: 'true' }, false],
    [{ purpose: 'internal' }, true],
    [{ purpose: 'external_api' }, true],
    [{ purpose: 'other' }, false],
  ]
  for (const [change, admin] of admins) {
    it(`${admin ? 'makes' : 'does not make'} an admin of ${JSON.stringify(change)}`, () => {
      expect(parse({ metadata: { ...data.metadata, ...change } })).to.include({ admin })
    })
  }

  const faults: [string, object][] = [
    ['no metadata', { metadata: undefined }],
    ['metadata that are a list', { metadata: [] }],
    ['no tenant', { metadata: { ...data.metadata, tenant_uuid: undefined } }],
    ['an empty tenant', { metadata: { ...data.metadata, tenant_uuid: '' } }],
    ['a user that is no text', { metadata: { ...data.metadata, uuid: 7 } }],
    ['no session', { session_uuid: null }],
    ['no ACL', { acl: null }],
    ['an ACL with a pattern that is no text', { acl: ['a', 1] }],
    ['no expiry', { utc_expires_at: undefined }],
    ['an expiry that is no time', { utc_expires_at: 'soon' }],
  ]
  for (const [what, change] of faults) {
    it(`is refused with ${what}`, () => {
      expect(parse(change)).to.equal(null)
    })
  }

  for (const body of ['', '{"data": {"token"', 'null', '[]', '{}', '{"data": null}', '"text"']) {
    it(`is refused when it is ${body === '' ? 'empty' : body}`, () => {
      expect(parseTokenAnswer(token, body, true)).to.equal(null)
      expect(parseServiceToken(body, true)).to.equal(null)
    })
  }

  it('names tenant and expiry of a service token', () => {
    expect(parseServiceToken(JSON.stringify({ data }), false)).to.deep.equal({
      tenantUuid: 'the-tenant',
      expiresAt: Date.UTC(2026, 10, 24, 2, 0, 0, 250),
    })
    expect(parseServiceToken(JSON.stringify({ data: { ...data, metadata: {} } }), false)).to.equal(null)
  })

  it('may lack a tenant on an old Wazo only', () => {
    for (const tenant of [{}, { tenant_uuid: null }]) {
      const body = JSON.stringify({ data: { ...data, metadata: { uuid: 'the-user', ...tenant } } })
      expect(parseTokenAnswer(token, body, true)).to.include({ tenantUuid: '', userUuid: 'the-user' })
      expect(parseServiceToken(body, true)).to.include({ tenantUuid: '' })
      expect([parseTokenAnswer(token, body, false), parseServiceToken(body, false)]).to.deep.equal([
        null,
        null,
      ])
    }
    const odd = JSON.stringify({ data: { ...data, metadata: { uuid: 'the-user', tenant_uuid: 7 } } })
    expect(parseTokenAnswer(token, odd, true)).to.equal(null)
  })
})

describe('time without a zone', () => {
  const at = Date.UTC(2026, 1, 28, 23, 59, 58)
  const times: [string, number][] = [
    ['2026-02-28T23:59:58', at],
    ['2026-02-28 23:59:58', at],
    ['2026-02-28T23:59:58.5', at + 500],
    ['2026-02-28T23:59:58.123456', at + 123],
    ['2026-02-28 23:59:58.999999999', at + 999],
    ['2026-02-28T23:59:58.000001Z', at],
    ['2026-02-28T23:59:58+00:00', at],
  ]
  for (const [text, expected] of times) {
    it(`is read from ${text}`, () => {
      expect(parseUtc(text)).to.equal(expected)
    })
  }

  const faults = [
    '2026-02-30T00:00:00',
    '2026-13-01T00:00:00',
    '2026-01-01T24:00:00',
    '2026-01-01T00:60:00',
    '2026-01-01T00:00:61',
    '2026-01-01',
    '2026-01-01T00:00:00+02:00',
    '',
    17,
    null,
    undefined,
  ]
  for (const value of faults) {
    it(`is refused from ${JSON.stringify(value)}`, () => {
      expect(parseUtc(value)).to.equal(null)
    })
  }
})
