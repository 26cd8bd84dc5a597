import { describeRedisError } from '@wazo-websocketd/shared/runtime/redis-error'
import { expect } from 'chai'

const URL = 'redis://:s3cret@redis.example:6379'
const describeError = (message: string, code?: string) =>
  describeRedisError(Object.assign(new Error(message), code === undefined ? {} : { code }), URL, null)

describe('an error of Redis', () => {
  it('says which key to change when the password is missing or wrong', () => {
    expect(describeError('NOAUTH Authentication required.')).to.match(/wants a password: set redis\.url/)
    expect(describeError('NOAUTH HELLO must be called with the client already authenticated')).to.include(
      'redis.url',
    )
    expect(describeError('WRONGPASS invalid username-password pair')).to.match(
      /refuses .*: correct redis\.url/,
    )
    expect(describeError('NOPERM this user has no permissions')).to.include('denies a command')
  })

  it('says that nothing listens, that the host is unknown, or that it does not answer', () => {
    expect(describeError('connect ECONNREFUSED 127.0.0.1:1', 'ECONNREFUSED')).to.include('nothing listens')
    expect(describeError('getaddrinfo ENOTFOUND x', 'ENOTFOUND')).to.include('unknown')
    expect(describeError('connect ETIMEDOUT', 'ETIMEDOUT')).to.include('does not answer')
  })

  it('says how to have a certificate trusted', () => {
    for (const code of ['SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'CERT_HAS_EXPIRED'])
      expect(describeError('some words of OpenSSL', code)).to.match(/some words .*NODE_EXTRA_CA_CERTS/)
  })

  it('never shows the password, and stays on one line', () => {
    for (const message of ['NOAUTH', 'WRONGPASS', 'ECONNREFUSED', 'anything\nelse']) {
      const text = describeError(message)
      expect(text).to.include('redis.example:6379').and.not.include('s3cret').and.not.include('\n')
    }
  })

  it('of a cluster is that of its last node', () => {
    const error = Object.assign(new Error('None of startup nodes is available'), {
      lastNodeError: new Error('connect ECONNREFUSED 127.0.0.1:7000'),
    })
    expect(describeRedisError(error, URL, ['a:1', 'b:2'])).to.equal(
      "nothing listens at Redis's address a:1, b:2 (redis.cluster): start redis-server or correct the address",
    )
  })
})
