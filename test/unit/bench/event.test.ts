import { expect } from 'chai'
import { BODY_BYTES, makeEvent, stampOf } from '../../bench/load/event.js'

describe('an event of the bench', () => {
  const AT = 1_234_567_890

  it('is of the same size for everybody, with and without a required ACL', () => {
    for (const acl of ['events.calls.bench', null]) {
      const { body, headers } = makeEvent({ user: null, acls: [acl] }, 0, AT)
      expect(body.length).to.equal(BODY_BYTES)
      expect(headers['required_acl']).to.equal(acl)
      expect(headers['user_uuid:*']).to.equal(true)
    }
  })

  it('for one user names that user only', () => {
    const { headers } = makeEvent({ user: 'u1', acls: [null] }, 0, AT)
    expect(Object.keys(headers).filter((key) => key.startsWith('user_uuid:'))).to.deep.equal(['user_uuid:u1'])
  })

  it('takes the ACLs in turn', () => {
    const acls = [0, 1, 2].map(
      (n) => makeEvent({ user: null, acls: ['a', 'b'] }, n, AT).headers['required_acl'],
    )
    expect(acls).to.deep.equal(['a', 'b', 'a'])
  })

  it('tells when it was sent, whatever stands around it', () => {
    const { body } = makeEvent({ user: null, acls: [null] }, 0, AT)
    const text = Buffer.from(`42["bench_event",${body.toString()}]`)
    expect(stampOf(text, 0, text.length)).to.equal(AT)
  })

  it('bears no time that stands only in a later frame', () => {
    const { body } = makeEvent({ user: null, acls: [null] }, 0, AT)
    const bytes = Buffer.concat([Buffer.from('{"op":"pong"}'), body])
    expect(stampOf(bytes, 0, 13)).to.be.NaN
  })
})
