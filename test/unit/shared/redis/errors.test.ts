import {
  describeRedisError,
  describeSentinelError,
  hidesReason,
  isConnectionError,
  isNoMaster,
} from '@wazo-websocketd/shared/redis/errors'
import { expect } from 'chai'

const URL = 'redis://:s3cret@redis.example:6379'
const describeError = (message: string, code?: string) =>
  describeRedisError(Object.assign(new Error(message), code === undefined ? {} : { code }), {
    url: URL,
    cluster: null,
  })

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

  it('says that connections are refused, and never repeats the arguments of a command', () => {
    expect(describeError('ERR max number of clients reached')).to.match(/raise maxclients .*max number/)
    expect(describeError('DENIED Redis is running in protected mode. Long')).to.match(
      /password there \(DENIED [^.]*\)$/,
    )
    expect(describeError("ERR unknown command 'AUTH', with args beginning with: 's3cret'")).to.match(
      /'AUTH'$/,
    )
  })

  it('hides the reason when the connection just breaks', () => {
    for (const message of ['write EPIPE', 'read ECONNRESET', 'Connection is closed.'])
      expect(hidesReason(new Error(message))).to.equal(true)
    expect(hidesReason(new Error('WRONGPASS'))).to.equal(false)
  })

  it('says that nothing listens, that the host is unknown, or that it does not answer', () => {
    expect(describeError('connect ECONNREFUSED 127.0.0.1:1', 'ECONNREFUSED')).to.include('nothing listens')
    expect(describeError('getaddrinfo ENOTFOUND x', 'ENOTFOUND')).to.include('unknown')
    expect(describeError('connect ETIMEDOUT', 'ETIMEDOUT')).to.include('does not answer')
  })

  it('says how to have a certificate trusted', () => {
    for (const code of ['SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'CERT_UNTRUSTED'])
      expect(describeError('some words of OpenSSL', code)).to.match(
        /not trusted: .* in redis\.tls\.ca .*some words/,
      )
  })

  it('never shows the password, and stays on one line', () => {
    for (const message of ['NOAUTH', 'WRONGPASS', 'ECONNREFUSED', 'anything\nelse']) {
      const text = describeError(message)
      expect(text).to.include('redis.example:6379').and.not.include('s3cret').and.not.include('\n')
    }
  })

  it('of sentinels names what to correct', () => {
    const place = { url: URL, cluster: null, sentinels: ['a:1', 'b:2'], sentinelName: 'main' }
    const of = (message: string) => describeSentinelError(new Error(message), place)
    for (const message of [
      'connected to sentinel a:1 successfully, but got an invalid reply: null',
      'ERR No such master with that name',
    ])
      expect(of(message)).to.equal(
        'no sentinel at a:1, b:2 (redis.sentinels) knows a master "main": correct redis.sentinel_name',
      )
    expect(of('failed to connect to sentinel a:1 because connect ECONNREFUSED a:1')).to.equal(
      'no sentinel at a:1, b:2 (redis.sentinels) answers: start them or correct redis.sentinels (connect ECONNREFUSED a:1)',
    )
    expect(of('failed to connect to sentinel a:1 because NOAUTH Authentication required.')).to.match(
      /another password than that of redis\.url/,
    )
    expect(describeRedisError(new Error('connect ECONNREFUSED x'), place)).to.include(
      'master "main" of a:1, b:2 (redis.sentinels)',
    )
  })

  it('of a server that is no master says that it takes no writes', () => {
    for (const message of [
      'READONLY You can not',
      'ERR Error running script: -READONLY You',
      'UNBLOCKED force unblock',
      'LOADING Redis is',
      'MASTERDOWN Link',
    ])
      expect([isNoMaster(new Error(message)), describeError(message)]).to.deep.equal([
        true,
        `Redis at redis://:********@redis.example:6379 (redis.url) takes no writes: connecting again (${message})`,
      ])
    for (const message of ['ERR wrong READONLY', 'OOM command', 'ERR x'])
      expect(isNoMaster(new Error(message))).to.equal(false)
  })

  it('of a connection that is not there names the address instead of the words of the client library', () => {
    for (const message of [
      "Stream isn't writeable and enableOfflineQueue options is false",
      'Connection is closed.',
    ]) {
      expect(isConnectionError(new Error(message))).to.equal(true)
      expect(describeError(message)).to.equal(
        'no connection to Redis at redis://:********@redis.example:6379 (redis.url): it is closed, or opened and not answered',
      )
    }
    expect(isConnectionError(new Error('connect ECONNREFUSED 127.0.0.1:1'))).to.equal(true)
    expect(isConnectionError(new Error('OOM command not allowed'))).to.equal(false)
  })

  it('of a cluster is that of its last node', () => {
    const error = Object.assign(new Error('None of startup nodes is available'), {
      lastNodeError: new Error('connect ECONNREFUSED 127.0.0.1:7000'),
    })
    expect(describeRedisError(error, { url: URL, cluster: ['a:1', 'b:2'] })).to.equal(
      "nothing listens at Redis's address a:1, b:2 (redis.cluster): start redis-server or correct the address",
    )
  })
})
