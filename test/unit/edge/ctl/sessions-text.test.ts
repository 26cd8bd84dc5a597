import { sessionLines } from '@wazo-websocketd/edge/ctl/sessions-text'
import { expect } from 'chai'
import { sessionAnswer, SINCE } from '../../../support/fakes/admin-answers.js'

const NOW = Date.parse(SINCE) + 61_000

describe('the table of sessions', () => {
  it('has a line for each, and says how many there are', () => {
    const sessions = [sessionAnswer(), sessionAnswer({ worker: 11, started: false, admin: true })]
    expect(sessionLines({ sessions, matched: 5, unanswered: [2] }, NOW)).to.deep.equal([
      'W   TOKEN     USER  TENANT  ADDRESS    V  FOR        SENT  BUFFERED  BEHIND  PONG   SUBSCRIPTIONS',
      '0   01234567  u     t       192.0.2.1  2  1 min 1 s  4     0         0       1.5 s  a,b,c +6',
      '11  01234567  u*    t       192.0.2.1  2  1 min 1 s  4     0         0       1.5 s  a,b,c +6 (not started)',
      '2 of 5 sessions: --limit and --offset show others',
      'worker 2 does not answer: its sessions are missing here',
    ])
  })

  it('has no head where there is nothing below it', () => {
    expect(sessionLines({ sessions: [], matched: 0, unanswered: [] }, NOW)).to.deep.equal(['0 of 0 sessions'])
  })

  it('shows what is not known yet as a dash', () => {
    const sessions = [sessionAnswer({ user: null, tenant: null, lastPongSeconds: null, closing: true })]
    const [, row = ''] = sessionLines({ sessions, matched: 1, unanswered: [] }, NOW)
    expect(row.split(/\s+/)).to.deep.equal([
      ...['0', '01234567', '-', '-', '192.0.2.1', '2', '1', 'min', '1', 's', '4', '0', '0', '-'],
      ...['a,b,c', '+6', '(closing)'],
    ])
  })
})
