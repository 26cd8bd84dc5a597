import {
  decodeExpiryNotice,
  encodeExpiryNotice,
  expiryNoticeChannel,
} from '@wazo-websocketd/edge/auth/expiry/notice'
import { hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { expect } from 'chai'
import * as fc from 'fast-check'

describe('a notice to the workers', () => {
  it('says what is to be done about which token', () => {
    for (const kind of ['re-check', 'expired'] as const) {
      const notice = { kind, hash: hashToken('abc') }
      expect(encodeExpiryNotice(notice)).to.equal(`${kind} ${hashToken('abc')}`)
      expect(decodeExpiryNotice(encodeExpiryNotice(notice))).to.deep.equal(notice)
    }
  })

  it('that this version does not know is null', () => {
    for (const message of [
      '',
      'expired',
      'renewed '.concat(hashToken('abc')),
      `expired ${hashToken('abc')} 1`,
    ])
      expect(decodeExpiryNotice(message)).to.equal(null)
    fc.assert(fc.property(fc.string(), (message) => decodeExpiryNotice(message) === null))
  })

  it("goes over a channel in the slot of the queue's keys", () => {
    expect(expiryNoticeChannel('wazo-ws')).to.equal('{wazo-ws}:notices')
  })
})
