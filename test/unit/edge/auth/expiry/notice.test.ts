import { decodeNotice, encodeNotice, noticeChannel } from '@wazo-websocketd/edge/auth/expiry/notice'
import { hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { expect } from 'chai'
import * as fc from 'fast-check'

describe('a notice to the workers', () => {
  it('says what is to be done about which token', () => {
    for (const kind of ['re-check', 'expired'] as const) {
      const notice = { kind, hash: hashToken('abc') }
      expect(encodeNotice(notice)).to.equal(`${kind} ${hashToken('abc')}`)
      expect(decodeNotice(encodeNotice(notice))).to.deep.equal(notice)
    }
  })

  it('that this version does not know is null', () => {
    for (const message of [
      '',
      'expired',
      'renewed '.concat(hashToken('abc')),
      `expired ${hashToken('abc')} 1`,
    ])
      expect(decodeNotice(message)).to.equal(null)
    fc.assert(fc.property(fc.string(), (message) => decodeNotice(message) === null))
  })

  it("goes over a channel in the slot of the queue's keys", () => {
    expect(noticeChannel('wazo-ws')).to.equal('{wazo-ws}:notices')
  })
})
