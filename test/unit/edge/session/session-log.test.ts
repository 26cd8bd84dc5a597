import {
  AUTHENTICATION_FAILED,
  BUS_CONNECTION_LOST,
  protocolError,
  TRY_AGAIN_LATER,
} from '@wazo-websocketd/shared/domain/close'
import type { Identity, TokenId } from '@wazo-websocketd/shared/domain/identity'
import { hashTag, hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { SessionLog, type EndedSession } from '@wazo-websocketd/edge/session/session-log'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { fakeLog } from '../../../support/fakes/log.js'

const TOKEN = '12345678-1234-4123-8123-123456789abc' as TokenId
const OWNER = { userUuid: 'user', tenantUuid: 'tenant' } as Identity
const SESSION: EndedSession = {
  owner: OWNER,
  token: TOKEN,
  address: '192.0.2.1',
  version: 2,
  age: 63,
  events: 17,
}

const tagOf = (token: TokenId) => hashTag(hashToken(token))

function setUp(sessions = true) {
  const clock = new FakeClock()
  const { logger, entries } = fakeLog()
  return {
    clock,
    logger,
    entries,
    log: new SessionLog({ sessions, tagOf, clock, log: logger, hostLog: logger }),
  }
}

describe('the log of sessions', () => {
  it('has a line for a session that ends, with all that is asked for afterwards, and no token', () => {
    const { entries, log } = setUp()
    log.ended(SESSION, BUS_CONNECTION_LOST, 1006)
    expect(entries[0]).to.deep.include({
      level: 30,
      msg: 'session ended',
      code: 1011,
      reason: 'bus connection lost',
      user: 'user',
      tenant: 'tenant',
      address: '192.0.2.1',
      seconds: 63,
      events: 17,
      tokenHash: hashTag(hashToken(TOKEN)),
      version: 2,
    })
    expect(JSON.stringify(entries)).to.not.include(TOKEN)
  })

  it('does not repeat what the client has written, which a reason may quote', () => {
    const { entries, log } = setUp()
    const quoting = protocolError(`unknown op: ${TOKEN}`)
    log.ended(SESSION, quoting, 4004)
    log.ended({ ...SESSION, owner: null }, quoting, 4004)
    log.close()
    expect(entries[0]).to.include({ code: 4004, reason: 'unknown op' })
    expect(entries).to.have.length(2)
    expect(JSON.stringify(entries)).to.not.include(TOKEN)
  })

  it('says who ended it where this side did not', () => {
    const { entries, log } = setUp()
    for (const code of [1000, 1006, 1013, 4321]) log.ended(SESSION, null, code)
    expect(entries.map(({ code, reason }) => [code, reason])).to.deep.equal([
      [1000, 'closed by the client'],
      [1006, 'connection lost'],
      [1013, 'slow consumer'],
      [4321, 'closed by the client'],
    ])
  })

  it('has 50 lines a second, and says how many sessions it left out', () => {
    const { clock, entries, log } = setUp()
    for (let i = 0; i < 1_000; i++) log.ended(SESSION, BUS_CONNECTION_LOST, 1011)
    clock.advance(1_000)
    for (let i = 0; i < 60; i++) log.ended(SESSION, BUS_CONNECTION_LOST, 1011)
    expect(entries).to.have.length(100)
    clock.advance(10_000)
    expect(entries).to.have.length(101)
    expect(entries[100]).to.deep.include({ sessions: 960, msg: 'more sessions ended, without a line each' })
    expect(clock.pending).to.equal(0)
  })

  it('has none when it is switched off, or the level leaves it out', () => {
    const off = setUp(false)
    off.log.ended(SESSION, null, 1000)
    const quiet = setUp()
    quiet.logger.level = 'warn'
    for (let i = 0; i < 100; i++) quiet.log.ended(SESSION, null, 1000)
    expect([off.entries, quiet.entries, quiet.clock.pending]).to.deep.equal([[], [], 0])
  })

  it('counts who is turned away for ten seconds, by reason, and is silent where nobody is', () => {
    const { clock, entries, log } = setUp(false)
    clock.advance(60_000)
    for (let i = 0; i < 40; i++) log.refused('not-ready')
    log.ended({ ...SESSION, owner: null }, AUTHENTICATION_FAILED, 4002)
    // Its client left before wazo-auth had answered.
    log.ended({ ...SESSION, owner: null }, null, 1006)
    expect(entries).to.deep.equal([])
    clock.advance(10_000)
    expect(entries).to.have.length(1)
    expect(entries[0]).to.deep.include({
      msg: 'handshakes refused in 10 s',
      refused: { 'not-ready': 40, 'authentication failed': 1 },
    })
    clock.advance(60_000)
    expect(entries).to.have.length(1)
    log.refused('version')
    log.close()
    expect(entries[1]!['refused']).to.deep.equal({ version: 1 })
    expect(clock.pending).to.equal(0)
  })

  it('counts the clients that were not served for want of something', () => {
    const { log } = setUp()
    log.ended(SESSION, BUS_CONNECTION_LOST, 1011)
    log.ended({ ...SESSION, owner: null }, TRY_AGAIN_LATER, 1013)
    log.ended(SESSION, null, 1013)
    log.refused('not-ready')
    log.refused('version')
    expect(log.unserved()).to.equal(3)
  })
})
