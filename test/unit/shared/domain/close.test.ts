import * as close from '@wazo-websocketd/shared/domain/close'
import { expect } from 'chai'
import fc from 'fast-check'

describe('close: the catalogue', () => {
  for (const [name, code, reason, comeBack] of [
    ['NO_TOKEN', 4001, 'no token', false],
    ['AUTHENTICATION_FAILED', 4002, 'authentication failed', false],
    ['AUTHENTICATION_EXPIRED', 4003, 'authentication expired', false],
    ['GOING_AWAY', 1001, 'going away', true],
    ['BUS_CONNECTION_LOST', 1011, 'bus connection lost', true],
    ['SERVICE_RESTART', 1012, 'service restart', true],
    ['TRY_AGAIN_LATER', 1013, 'try again later', true],
    ['SLOW_CONSUMER', 1013, 'slow consumer', true],
  ] as const)
    it(`${name} is ${code} "${reason}"`, () => {
      expect(close[name]).to.deep.equal({ code, reason, comeBack })
      expect(close[name]).to.be.frozen
    })

  it('names the fault with 4004 and the limit with 1008, neither worth coming back for', () => {
    expect(close.protocolError('not JSON')).to.deep.equal({ code: 4004, reason: 'not JSON', comeBack: false })
    expect(close.limitExceeded('limits.subscriptions')).to.deep.equal({
      code: 1008,
      reason: 'limits.subscriptions',
      comeBack: false,
    })
  })

  it('keeps a reason within 123 bytes of UTF-8 without cutting a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        const { reason } = close.protocolError(text)
        expect(Buffer.byteLength(reason)).to.be.at.most(123)
        expect(text.startsWith(reason)).to.equal(true)
        if (Buffer.byteLength(text) <= 123) expect(reason).to.equal(text)
        else expect(Buffer.byteLength(reason)).to.be.at.least(120)
        expect(Buffer.from(reason).toString()).to.equal(reason)
      }),
    )
    expect(close.protocolError('x'.repeat(500)).reason).to.have.length(123)
    expect(close.limitExceeded('€'.repeat(50)).reason).to.equal('€'.repeat(41))
  })
})
