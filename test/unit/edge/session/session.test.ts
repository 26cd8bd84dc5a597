import { expect } from 'chai'
import fc from 'fast-check'
import type { TokenDetails, TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import type { ProtocolVersion } from '@wazo-websocketd/shared/domain/protocol'
import type { Effect } from '@wazo-websocketd/edge/session/effects'
import { closeFor, Session } from '@wazo-websocketd/edge/session/session'

const LIMITS = { subscriptionsPerSession: 3, eventNameBytes: 8, opsPerSecond: 50, opsBurst: 300 }
const DETAILS = { token: 'new' as TokenId } as TokenDetails
const VALID: Verdict = { kind: 'valid', details: DETAILS }

const subscribe = (name: string) => JSON.stringify({ op: 'subscribe', data: { event_name: name } })
const token = (name: string) => JSON.stringify({ op: 'token', data: { token: name } })
const START = '{"op":"start"}'
const ping = (payload: string) => `{"op":"ping","data":{"payload":${payload}}}`

/** The effects in short, without the counting. */
function brief(effects: readonly Effect[]): string[] {
  return effects
    .filter(({ kind }) => kind !== 'op')
    .map((effect) => {
      switch (effect.kind) {
        case 'send':
          return effect.message.op === 'pong'
            ? `send pong ${effect.message.payload}`
            : `send ${effect.message.op}`
        case 'close':
          return `close ${effect.close.code} ${effect.close.reason}`
        case 'subscription':
          return `subscribed ${effect.name}`
        case 'renew':
          return `renew ${effect.token}`
        case 'wait':
          return `wait ${effect.delay}`
        default:
          return effect.kind
      }
    })
}

function opened(version: ProtocolVersion = 2, limits = LIMITS): Session {
  const session = new Session(version, limits, 0)
  session.authenticated(VALID, 0)
  return session
}

function started(version: ProtocolVersion = 2): Session {
  const session = opened(version)
  session.frame(START, 0)
  session.live(0)
  return session
}

describe('Session', () => {
  describe('before init', () => {
    it('sends init when the token is valid', () => {
      expect(brief(new Session(1, LIMITS, 0).authenticated(VALID, 0))).to.deep.equal(['send init'])
    })

    for (const [verdict, close] of [
      [{ kind: 'invalid' }, 'close 4002 authentication failed'],
      [{ kind: 'unavailable' }, 'close 1013 try again later'],
      [{ kind: 'oversized', limit: 'ACL too long' }, 'close 1008 ACL too long'],
    ] as const)
      it(`answers the verdict ${verdict.kind} with ${close}`, () => {
        expect(brief(new Session(2, LIMITS, 0).authenticated(verdict, 0))).to.deep.equal([close])
        expect(closeFor(verdict).code).to.equal(Number(close.split(' ')[1]))
      })

    it('keeps ops and handles them in order after init', () => {
      const session = new Session(2, LIMITS, 0)
      expect(session.frame(subscribe('a'), 0)).to.deep.equal([])
      expect(session.frame(ping('1'), 0)).to.deep.equal([])
      expect(session.frame(START, 0)).to.deep.equal([])
      expect(brief(session.authenticated(VALID, 0))).to.deep.equal([
        'send init',
        'subscribed a',
        'send subscribe',
        'send pong 1',
        'start',
      ])
    })

    it('keeps a fault for its turn', () => {
      const session = new Session(2, LIMITS, 0)
      session.frame('nonsense', 0)
      expect(brief(session.authenticated(VALID, 0))).to.deep.equal(['send init', 'close 4004 not JSON'])
    })

    it('ignores a second verdict', () => {
      const session = opened()
      expect(session.authenticated({ kind: 'invalid' }, 0)).to.deep.equal([])
    })

    it('stops reading when too many ops wait, and reads on when they are done', () => {
      const session = new Session(2, LIMITS, 0)
      const effects: Effect[] = []
      for (let i = 0; i < 100; i++) effects.push(...session.frame(ping('0'), 0))
      expect(brief(effects)).to.deep.equal(['pause'])
      expect(brief(session.authenticated(VALID, 0)).at(-1)).to.equal('resume')
    })

    it('stops reading when few but large ops wait', () => {
      const session = new Session(2, LIMITS, 0)
      expect(brief(session.frame(ping(`"${'x'.repeat(40_000)}"`), 0))).to.deep.equal(['pause'])
    })

    it('closes a client whose waiting ops outgrow the memory for them', () => {
      const session = new Session(2, LIMITS, 0)
      const large = ping(`"${'x'.repeat(500_000)}"`)
      session.frame(large, 0)
      session.frame(large, 0)
      expect(brief(session.frame(large, 0))).to.deep.equal(['close 1008 too many operations at once'])
      expect(session.authenticated(VALID, 0)).to.deep.equal([])
    })
  })

  for (const version of [1, 2] as const)
    describe(`version ${version}`, () => {
      it('answers subscribe, start and ping before start', () => {
        const session = opened(version)
        expect(brief(session.frame(subscribe('a'), 0))).to.deep.equal(['subscribed a', 'send subscribe'])
        expect(brief(session.frame(subscribe('a'), 0))).to.deep.equal(['send subscribe'])
        expect(brief(session.frame(ping('{"a":1.0}'), 0))).to.deep.equal(['send pong {"a":1.0}'])
        expect(brief(session.frame(START, 0))).to.deep.equal(['start'])
        expect(session.started).to.equal(false)
        expect(brief(session.live(0))).to.deep.equal(['started'])
        expect(session.started).to.equal(true)
      })

      it(`${version === 1 ? 'is silent' : 'answers'} after start, but for pings`, () => {
        const session = started(version)
        const spoken = (reply: string) => (version === 1 ? [] : [reply])
        expect(brief(session.frame(subscribe('b'), 0))).to.deep.equal([
          'subscribed b',
          ...spoken('send subscribe'),
        ])
        expect(brief(session.frame(subscribe('b'), 0))).to.deep.equal(spoken('send subscribe'))
        expect(brief(session.frame(START, 0))).to.deep.equal(spoken('started'))
        expect(brief(session.frame(ping('null'), 0))).to.deep.equal(['send pong null'])
        session.frame(token('new'), 0)
        session.renewal(VALID, 0)
        expect(brief(session.adopted(0))).to.deep.equal(spoken('send token'))
      })

      for (const [frame, reason] of [
        [null, 'binary frame'],
        ['{', 'not JSON'],
        ['[]', 'root is not an object'],
        ['{}', 'op is missing'],
        ['{"op":1}', 'op is not a string'],
        ['{"op":"nope"}', 'unknown op: nope'],
        ['{"op":"subscribe"}', 'subscribe: data is missing'],
        ['{"op":"ping","data":{}}', 'ping: data.payload is missing'],
        ['{"op":"token","data":{"token":1}}', 'token: data.token is not a string'],
      ] as const)
        it(`closes ${String(frame)} with 4004`, () => {
          for (const session of [opened(version), started(version)]) {
            const effects = session.frame(frame, 0)
            expect(brief(effects)).to.deep.equal([`close 4004 ${reason}`])
            expect(effects[0]).to.deep.equal({ kind: 'op', op: 'unknown', result: 'refused' })
            expect(session.frame(START, 0)).to.deep.equal([])
          }
        })
    })

  describe('start', () => {
    it('lets no later op overtake it', () => {
      const session = opened()
      session.frame(START, 0)
      expect(session.frame(subscribe('a'), 0)).to.deep.equal([])
      expect(session.frame(ping('1'), 0)).to.deep.equal([])
      expect(brief(session.live(0))).to.deep.equal([
        'started',
        'subscribed a',
        'send subscribe',
        'send pong 1',
      ])
    })

    it('is only answered once', () => {
      const session = started()
      expect(session.live(0)).to.deep.equal([])
    })
  })

  describe('token', () => {
    it('lets no later op overtake it, and replies when the new identity is live', () => {
      const session = opened()
      expect(brief(session.frame(token('new'), 0))).to.deep.equal(['renew new'])
      session.frame(ping('1'), 0)
      expect(brief(session.renewal(VALID, 0))).to.deep.equal(['adopt'])
      expect(brief(session.adopted(0))).to.deep.equal(['send token', 'send pong 1'])
    })

    for (const [verdict, close] of [
      [{ kind: 'invalid' }, 'close 4002 authentication failed'],
      [{ kind: 'unavailable' }, 'close 1013 try again later'],
      [{ kind: 'oversized', limit: 'ACL' }, 'close 1008 ACL'],
    ] as const)
      it(`answers the verdict ${verdict.kind} with ${close}`, () => {
        const session = started()
        session.frame(token('new'), 0)
        expect(brief(session.renewal(verdict, 0))).to.deep.equal([close])
      })

    for (const raw of ['', '.', '..', 'a/b', 'a?b', 'x'.repeat(129), 'ü'])
      it(`closes the token ${JSON.stringify(raw.slice(0, 9))} with 4002 without asking`, () => {
        expect(brief(opened().frame(token(raw), 0))).to.deep.equal(['close 4002 authentication failed'])
      })

    it('closes with 1013 when its verdict is late', () => {
      const session = started()
      session.frame(token('new'), 0)
      expect(brief(session.deadline(0))).to.deep.equal(['close 1013 try again later'])
      expect(session.renewal(VALID, 0)).to.deep.equal([])
    })

    it('has no deadline after its verdict', () => {
      const session = started()
      session.frame(token('new'), 0)
      session.renewal(VALID, 0)
      expect(session.deadline(0)).to.deep.equal([])
    })

    it('ignores answers to questions that were not asked', () => {
      const session = started()
      expect(session.renewal(VALID, 0)).to.deep.equal([])
      expect(session.adopted(0)).to.deep.equal([])
    })
  })

  describe('revocation', () => {
    it('closes with 4003', () => {
      expect(brief(started().revoked(0))).to.deep.equal(['close 4003 authentication expired'])
    })

    it('waits for the verdict on a renewal in flight', () => {
      const session = started()
      session.frame(token('new'), 0)
      expect(brief(session.revoked(0))).to.deep.equal(['suspend'])
      expect(session.revoked(0)).to.deep.equal([])
      expect(brief(session.renewal(VALID, 0))).to.deep.equal(['adopt'])
      session.adopted(0)
      expect(session.deadline(0)).to.deep.equal([])
      expect(brief(session.revoked(0))).to.deep.equal(['close 4003 authentication expired'])
    })

    it('waits for a renewal whose turn has not come', () => {
      const session = opened()
      session.frame(START, 0)
      session.frame(ping('1'), 0)
      session.frame(token('new'), 0)
      expect(brief(session.revoked(0))).to.deep.equal(['suspend'])
      expect(brief(session.deadline(0))).to.deep.equal(['close 1013 try again later'])
    })

    it('does not wait for other ops, or for frames that are no op', () => {
      const session = opened()
      session.frame(START, 0)
      for (const frame of [ping('1'), null, 'nonsense']) session.frame(frame, 0)
      expect(brief(session.revoked(0))).to.deep.equal(['close 4003 authentication expired'])
    })

    it('does nothing after the end', () => {
      const session = started()
      session.end()
      expect(session.revoked(0)).to.deep.equal([])
      expect(session.deadline(0)).to.deep.equal([])
      expect(session.frame(START, 0)).to.deep.equal([])
    })
  })

  describe('limits', () => {
    it('closes the subscription above the limit with 1008, naming it', () => {
      const session = opened()
      for (const name of ['a', 'b', 'c', 'c']) session.frame(subscribe(name), 0)
      const effects = session.frame(subscribe('d'), 0)
      expect(brief(effects)).to.deep.equal(['close 1008 more than 3 subscriptions per session'])
      expect(effects[0]).to.deep.equal({ kind: 'op', op: 'subscribe', result: 'refused' })
      expect([...session.subscriptions]).to.deep.equal(['a', 'b', 'c'])
    })

    it('measures event names in bytes', () => {
      const session = opened()
      expect(brief(session.frame(subscribe('éééé'), 0))[0]).to.equal('subscribed éééé')
      expect(brief(session.frame(subscribe('ééééé'), 0))).to.deep.equal([
        'close 1008 event name longer than 8 bytes',
      ])
    })

    it('takes names such as __proto__ like any other', () => {
      const session = opened(2, { ...LIMITS, eventNameBytes: 256 })
      expect(brief(session.frame(subscribe('__proto__'), 0))[0]).to.equal('subscribed __proto__')
    })

    it('handles a burst at once and the rest at the rate, while the socket is not read', () => {
      const session = opened(2, { ...LIMITS, opsPerSecond: 10, opsBurst: 3 })
      const effects: Effect[] = []
      for (let i = 0; i < 5; i++) effects.push(...session.frame(ping(String(i)), 0))
      expect(brief(effects)).to.deep.equal(['send pong 0', 'send pong 1', 'send pong 2', 'wait 100', 'pause'])
      expect(brief(session.tick(50))).to.deep.equal(['wait 50'])
      expect(brief(session.tick(100))).to.deep.equal(['send pong 3', 'wait 100'])
      expect(brief(session.tick(200))).to.deep.equal(['send pong 4', 'resume'])
    })

    it('lets the allowance grow no higher than the burst', () => {
      const session = opened(2, { ...LIMITS, opsPerSecond: 10, opsBurst: 3 })
      const effects: Effect[] = []
      for (let i = 0; i < 4; i++) effects.push(...session.frame(ping(String(i)), 1_000_000))
      expect(brief(effects)).to.deep.equal(['send pong 0', 'send pong 1', 'send pong 2', 'wait 100', 'pause'])
    })
  })

  it('gives the same replies in the same order, however ops are split into packets and whenever answers come', () => {
    const op = fc.oneof(
      fc.constantFrom('a', 'b', 'c').map(subscribe),
      fc.constant(START),
      fc.integer().map((n) => ping(String(n))),
      fc.constantFrom('t1', 't2').map(token),
    )
    fc.assert(
      fc.property(
        fc.constantFrom<ProtocolVersion>(1, 2),
        fc.array(op, { maxLength: 40 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 3 })),
        fc.integer({ min: 2, max: 50 }),
        (version, ops, delays, burst) => {
          expect(replies(version, ops, () => delays.next().value as number, burst)).to.deep.equal(
            replies(version, ops, () => 0, 1_000),
          )
        },
      ),
    )
  })
})

/** Plays ops into a session; before each, up to three outstanding questions are answered. */
function replies(version: ProtocolVersion, ops: string[], answers: () => number, burst: number): string[] {
  const session = new Session(version, { ...LIMITS, opsBurst: burst }, 0)
  const sent: string[] = []
  const questions: (() => readonly Effect[])[] = [() => session.authenticated(VALID, now)]
  let now = 0
  const take = (effects: readonly Effect[]) => {
    for (const effect of effects) {
      if (effect.kind === 'send') sent.push(...brief([effect]))
      if (effect.kind === 'start') questions.push(() => session.live(now))
      if (effect.kind === 'renew') questions.push(() => session.renewal(VALID, now))
      if (effect.kind === 'adopt') questions.push(() => session.adopted(now))
      if (effect.kind === 'wait') questions.push(() => session.tick((now += effect.delay)))
    }
  }
  for (const frame of ops) {
    for (let n = answers(); n > 0; n--) take(questions.shift()?.() ?? [])
    take(session.frame(frame, now))
  }
  while (questions.length > 0) take(questions.shift()!())
  return sent
}
