import {
  jobData,
  jobId,
  parseJobData,
  queuePrefix,
  type ExpiryJob,
} from '@wazo-websocketd/edge/auth/expiry/job'
import { hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { expect } from 'chai'
import * as fc from 'fast-check'

const JOB: ExpiryJob = {
  hash: hashToken('abc'),
  expiresAt: Date.UTC(2026, 10, 24, 2, 0, 0, 7),
  dueAt: Date.UTC(2026, 10, 24, 1),
}

describe('a job of the expiry queue', () => {
  it('has an id of its own per token, which is never all digits', () => {
    expect(jobId(hashToken('abc'))).to.equal(`t${hashToken('abc')}`)
  })

  it('keeps its keys in one slot of a Redis Cluster', () => {
    expect(queuePrefix('wazo-ws')).to.equal('{wazo-ws}')
  })

  it('holds the hash and the times, for people to read', () => {
    expect(jobData(JOB)).to.deep.equal({
      hash: hashToken('abc'),
      utc_expires_at: '2026-11-24T02:00:00.007Z',
      utc_due_at: '2026-11-24T01:00:00.000Z',
    })
    expect(parseJobData(JSON.parse(JSON.stringify(jobData(JOB))))).to.deep.equal(JOB)
  })

  it('is null when it is none of ours', () => {
    const good = jobData(JOB)
    for (const bad of [null, undefined, 7, 'x', [], {}, { ...good, hash: 'abc' }, { ...good, hash: null }])
      expect(parseJobData(bad)).to.equal(null)
    for (const key of ['utc_expires_at', 'utc_due_at'])
      for (const value of ['', 'soon', 5, null])
        expect(parseJobData({ ...good, [key]: value })).to.equal(null)
  })

  it('is null when it is of another form, and read when only something was added', () => {
    expect(parseJobData({ ...jobData(JOB), added: 1 })).to.deep.equal(JOB)
    expect(parseJobData({ ...jobData(JOB), form: 2 })).to.equal(null)
  })

  it('never throws, whatever stands in Redis', () => {
    expect(() => fc.assert(fc.property(fc.anything(), (data) => parseJobData(data) === null))).to.not.throw()
  })
})
