import { authTryMs, authUrl, effectiveLogLevel, workerCount } from '@wazo-websocketd/shared/config/derived'
import { maskedUrl, redisDatabase } from '@wazo-websocketd/shared/redis/url'
import { resolve } from '@wazo-websocketd/shared/config/resolve'
import { expect } from 'chai'
import { availableParallelism } from 'node:os'

const { config } = resolve(new Map())

describe('what follows from the configuration', () => {
  it('puts an IPv6 address in brackets', () => {
    expect(authUrl({ ...config.auth, host: '::1' })).to.equal('http://[::1]:80/api/auth')
  })

  it('joins the address of wazo-auth with its prefix', () => {
    expect(authUrl(config.auth)).to.equal('http://localhost:80/api/auth')
    expect(authUrl({ ...config.auth, https: true, port: 9497, prefix: null })).to.equal(
      'https://localhost:9497',
    )
    expect(authUrl({ ...config.auth, prefix: 'api/auth/' })).to.equal('http://localhost:80/api/auth')
  })

  it('lets debug win over log_level', () => {
    expect(effectiveLogLevel({ debug: true, log_level: 'error' })).to.equal('debug')
    expect(effectiveLogLevel({ debug: false, log_level: 'error' })).to.equal('error')
  })

  it('counts the processors for auto', () => {
    expect(workerCount({ process_workers: 'auto' })).to.equal(availableParallelism())
    expect(workerCount({ process_workers: 7 })).to.equal(7)
  })

  it('lets auth.timeout win over the limit', () => {
    expect(authTryMs(config)).to.equal(3000)
    expect(authTryMs({ ...config, auth: { ...config.auth, timeout: 1.5 } })).to.equal(1500)
  })

  it('reads the number of the database from the path of a redis.url', () => {
    for (const [url, database] of [
      ['redis://h', 0],
      ['redis://h:1/', 0],
      ['redis://:p@h/0', 0],
      ['rediss://h/15', 15],
      ['redis://h/x', NaN],
      ['redis://h/1/', NaN],
      ['redis://h/1?db=2', NaN],
    ] as const)
      expect(redisDatabase(url), url).to.deep.equal(database)
  })

  it('masks the password in a url, and all of what is no url', () => {
    expect(maskedUrl('redis://user:secret@h:1/2')).to.equal('redis://user:********@h:1/2')
    expect(maskedUrl('redis://:secret@h:1')).to.equal('redis://:********@h:1')
    expect(maskedUrl('redis://h:1')).to.equal('redis://h:1')
    expect(maskedUrl('redis://h:1?password=secret')).to.equal('redis://h:1?********')
    expect(maskedUrl('secret')).to.equal('********')
  })
})
