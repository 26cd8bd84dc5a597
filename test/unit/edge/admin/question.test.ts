import { parseAdminQuestion } from '@wazo-websocketd/edge/admin/question'
import { expect } from 'chai'
import fc from 'fast-check'

describe('the question of an operator', () => {
  it('is understood as it comes from a query, where all is text, and from a body', () => {
    expect(parseAdminQuestion({ about: 'status', added: 1 })).to.deep.equal({ about: 'status' })
    expect(parseAdminQuestion({ about: 'sessions', rowsMax: 5, slow: 'true', names: '7' })).to.deep.equal({
      about: 'sessions',
      filter: { slow: true },
      rowsMax: 5,
      namesMax: 7,
    })
    expect(
      parseAdminQuestion({ about: 'close', code: 1012, user: 'u', tenant: 't', tokenHash: '0123abcd' }),
    ).to.deep.equal({
      about: 'close',
      code: 1012,
      filter: { user: 'u', tenant: 't', tokenHash: '0123abcd', slow: false },
    })
  })

  for (const [value, why] of [
    [{ about: 'sessions', rowsMax: -1 }, 'rowsMax'],
    [{ about: 'sessions', rowsMax: 1, names: 'x' }, 'names'],
    [{ about: 'sessions', rowsMax: 1, user: '' }, 'user'],
    [{ about: 'sessions', rowsMax: 1, tokenHash: 'abc' }, 'tokenHash'],
    [{ about: 'close', code: '1012' }, 'code'],
    [{ about: 'close', code: 1012, slow: 'no' }, 'slow'],
    [{ about: 'close', code: 1012, slow: null }, 'slow'],
    [{ about: 'sessions', rowsMax: 1, slow: '1' }, 'slow'],
    [{ about: 'else' }, 'not a question'],
    [null, 'not a question'],
  ] as const)
    it(`${JSON.stringify(value)} is none, because of ${why}`, () => {
      expect(parseAdminQuestion(value)).to.be.a('string').that.includes(why)
    })

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(['string', 'object']).to.include(typeof parseAdminQuestion(value))
      }),
    )
  })
})
