import { Lookups, type LookupRequest } from '@wazo-websocketd/edge/auth/lookup'
import type { LookupPriority, TokenLookup } from '@wazo-websocketd/edge/session/ports'
import type { TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import { expect } from 'chai'
import { FakeClock, settle } from '../../../support/fakes/clock.js'
import { Counts, details } from '../../../support/fakes/tokens.js'

class Scene {
  readonly clock = new FakeClock()
  readonly counts = new Counts()
  /** Questions that reached wazo-auth and wait for its answer. */
  readonly asked: {
    token: TokenId
    deadline: number
    request: LookupRequest
    answer: (verdict: Verdict) => void
  }[] = []
  /** After so long there is no point in asking wazo-auth. */
  hopelessAfterMs = Infinity
  /** Client addresses that are slowed down, and those whose tokens were refused. */
  readonly slowed = new Set<string>()
  readonly failed: string[] = []
  readonly lookups: Lookups

  constructor(limits: { inFlightMax?: number; waitingMax?: number } = {}) {
    this.lookups = new Lookups({
      clock: this.clock,
      metrics: this.counts,
      authTime: () => this.clock.now(),
      inFlightMax: limits.inFlightMax ?? 10,
      waitingMax: limits.waitingMax ?? 10,
      totalMs: 8_000,
      addresses: {
        isSlowed: (address) => this.slowed.has(address),
        failed: (address) => this.failed.push(address),
      },
      source: {
        lookup: (request) => {
          const { token, deadline } = request
          return new Promise((answer) => this.asked.push({ token, deadline, request, answer }))
        },
        isHopeless: ({ since }) => this.clock.monotonic() - since >= this.hopelessAfterMs,
      },
    })
  }

  valid(token: string, lifeMs = 60_000): Verdict {
    return { kind: 'valid', details: details(token, { expiresAt: this.clock.now() + lifeMs }) }
  }

  lookup(token: string): Promise<Verdict> {
    return this.ask(token).answer
  }

  ask(token: string, priority: LookupPriority = 'connect', address = '192.0.2.1'): TokenLookup {
    return this.lookups.lookup(token as TokenId, priority, address)
  }

  get tokensAsked(): TokenId[] {
    return this.asked.map(({ token }) => token)
  }

  async answer(verdict: Verdict): Promise<void> {
    this.asked.shift()?.answer(verdict)
    await settle()
  }
}

describe('look-ups', () => {
  it('share one request for one token', async () => {
    const scene = new Scene()
    const both = [scene.lookup('a'), scene.lookup('a'), scene.lookups.lookupFresh('a' as TokenId).answer]
    const other = scene.lookup('b')
    expect(scene.tokensAsked).to.deep.equal(['a', 'b'])
    const verdict = scene.valid('a')
    await scene.answer(verdict)
    await scene.answer({ kind: 'invalid' })
    expect(await Promise.all(both)).to.deep.equal([verdict, verdict, verdict])
    expect(await other).to.deep.equal({ kind: 'invalid' })
    expect(scene.counts.shared).to.equal(2)
  })

  it('remember an answer for 10 s', async () => {
    const scene = new Scene()
    void scene.lookup('a')
    const verdict = scene.valid('a')
    await scene.answer(verdict)
    scene.clock.advance(9_900)
    expect(await scene.lookup('a')).to.equal(verdict)
    expect(scene.asked).to.have.length(0)
    scene.clock.advance(200)
    void scene.lookup('a')
    expect(scene.asked).to.have.length(1)
  })

  it('that failed are not repeated within a second, except for a re-check', async () => {
    const scene = new Scene()
    void scene.lookup('a')
    await scene.answer({ kind: 'unavailable' })
    scene.clock.advance(900)
    expect(await scene.lookup('a')).to.deep.equal({ kind: 'unavailable' })
    expect(await scene.ask('a', 'session').answer).to.deep.equal({ kind: 'unavailable' })
    expect(scene.asked).to.have.length(0)
    void scene.lookup('b')
    void scene.lookups.lookupFresh('a' as TokenId)
    expect(scene.tokensAsked).to.deep.equal(['b', 'a'])
    await scene.answer({ kind: 'invalid' })
    await scene.answer({ kind: 'unavailable' })
    scene.clock.advance(1_100)
    void scene.lookup('a')
    expect(scene.tokensAsked).to.deep.equal(['a'])
  })

  it('of a bad token are not repeated within a second, also while other tokens are deleted', async () => {
    const scene = new Scene()
    void scene.lookup('a')
    scene.lookups.forget('session of b')
    await scene.answer({ kind: 'invalid' })
    scene.clock.advance(1_000)
    expect(await scene.lookup('a')).to.deep.equal({ kind: 'invalid' })
    expect(scene.asked).to.have.length(0)
  })

  it('do not use the memory for a re-check, nor for a token that has expired since', async () => {
    const scene = new Scene()
    void scene.lookup('a')
    await scene.answer(scene.valid('a', 5_000))
    void scene.lookups.lookupFresh('a' as TokenId)
    expect(scene.asked).to.have.length(1)
    await scene.answer(scene.valid('a', 5_000))
    scene.clock.advance(6_000)
    void scene.lookup('a')
    expect(scene.asked).to.have.length(1)
  })

  it('forget the tokens of a session that ended, and only those', async () => {
    const scene = new Scene()
    for (const token of ['a', 'b']) {
      void scene.lookup(token)
      await scene.answer(scene.valid(token))
    }
    scene.lookups.forget('session of a')
    scene.lookups.forget('session of nobody')
    void scene.lookup('a')
    void scene.lookup('b')
    expect(scene.tokensAsked).to.deep.equal(['a'])
  })

  it('forget everything when revocations may have been missed, also an answer that is under way', async () => {
    const scene = new Scene()
    void scene.lookup('a')
    await scene.answer(scene.valid('a'))
    void scene.lookup('b')
    scene.lookups.forgetAll()
    await scene.answer(scene.valid('b'))
    void scene.lookup('a')
    void scene.lookup('b')
    expect(scene.tokensAsked).to.deep.equal(['a', 'b'])
  })

  it('do not remember an answer that was under way while a session ended', async () => {
    const scene = new Scene()
    void scene.lookup('a')
    scene.lookups.forget('session of a')
    await scene.answer(scene.valid('a'))
    void scene.lookup('a')
    expect(scene.asked).to.have.length(1)
  })

  it('wait in order of arrival when too many are under way', async () => {
    const scene = new Scene({ inFlightMax: 2 })
    for (const token of ['a', 'b', 'c', 'd']) void scene.lookup(token)
    expect(scene.tokensAsked).to.deep.equal(['a', 'b'])
    await scene.answer({ kind: 'invalid' })
    expect(scene.tokensAsked).to.deep.equal(['b', 'c'])
  })

  it('of open sessions come first', async () => {
    const scene = new Scene({ inFlightMax: 1 })
    for (const token of ['a', 'b', 'c']) void scene.lookup(token)
    void scene.ask('renewed', 'session')
    void scene.lookups.lookupFresh('checked' as TokenId)
    void scene.ask('c', 'session')
    const order = []
    while (scene.asked.length > 0) {
      order.push(scene.asked[0]?.token)
      await scene.answer({ kind: 'invalid' })
    }
    expect(order).to.deep.equal(['a', 'renewed', 'checked', 'c', 'b'])
  })

  it('of open sessions find room, however long those of newcomers take', async () => {
    const scene = new Scene({ inFlightMax: 16 })
    const newcomers = Array.from({ length: 20 }, (_, i) => `n${i}`)
    for (const token of newcomers) void scene.lookup(token)
    expect(scene.tokensAsked).to.deep.equal(newcomers.slice(0, 14))
    for (const token of ['a', 'n19', 'c']) void scene.ask(token, 'session')
    expect(scene.tokensAsked.slice(14)).to.deep.equal(['a', 'n19'])
    await scene.answer({ kind: 'invalid' })
    expect(scene.tokensAsked.slice(13)).to.deep.equal(['a', 'n19', 'c'])
    while (scene.asked.length > 0) await scene.answer({ kind: 'invalid' })
    void scene.lookup('later')
    expect(scene.tokensAsked).to.deep.equal(['later'])
  })

  it('of open sessions have their turn however many newcomers wait', async () => {
    const scene = new Scene({ inFlightMax: 1, waitingMax: 2 })
    for (const token of ['a', 'b', 'c']) void scene.lookup(token)
    expect(await scene.lookup('d')).to.deep.equal({ kind: 'unavailable' })
    void scene.ask('renewed', 'session')
    await scene.answer({ kind: 'invalid' })
    expect(scene.tokensAsked).to.deep.equal(['renewed'])
    expect(scene.counts.drops).to.deep.equal(['full'])
  })

  it('that nobody waits for any more are not made, and leave their room to others', async () => {
    const scene = new Scene({ inFlightMax: 1, waitingMax: 2 })
    void scene.lookup('a')
    const gone = [scene.ask('b'), scene.ask('c'), scene.ask('c')]
    gone[0]?.withdraw()
    gone[1]?.withdraw()
    gone[1]?.withdraw()
    void scene.lookup('d')
    await scene.answer({ kind: 'invalid' })
    expect(scene.tokensAsked, 'one of two still waits').to.deep.equal(['c'])
    await scene.answer({ kind: 'invalid' })
    expect(scene.tokensAsked).to.deep.equal(['d'])
    await scene.answer({ kind: 'invalid' })
    expect(scene.counts.drops).to.deep.equal(['withdrawn'])
    void scene.lookup('b')
    expect(scene.tokensAsked, 'asked for once more').to.deep.equal(['b'])
    await scene.answer({ kind: 'invalid' })
    scene.lookups.forgetAll()
    expect(scene.clock.pending).to.equal(0)
  })

  it('tell whether anybody still wants the answer that is under way', async () => {
    const scene = new Scene()
    const question = scene.ask('a')
    const { request } = scene.asked[0]!
    question.withdraw()
    expect(request.wanted).to.equal(false)
    const later = scene.ask('a')
    expect(request.wanted).to.equal(true)
    question.withdraw()
    expect(request.wanted).to.equal(true)
    await scene.answer(scene.valid('a'))
    expect((await later.answer).kind).to.equal('valid')
    later.withdraw()
    expect(scene.asked).to.have.length(0)
  })

  it('are given up without a request when there is no point in asking', async () => {
    const scene = new Scene({ inFlightMax: 1 })
    void scene.lookup('a')
    const waiting = scene.lookup('b')
    scene.hopelessAfterMs = 1_500
    scene.clock.advance(1_600)
    const young = scene.lookup('c')
    await scene.answer({ kind: 'unavailable' })
    expect(await waiting).to.deep.equal({ kind: 'unavailable' })
    expect(scene.tokensAsked).to.deep.equal(['c'])
    await scene.answer({ kind: 'invalid' })
    expect(await young).to.deep.equal({ kind: 'invalid' })
  })

  it('are not made for an address that is slowed down, unless for an open session or where the answer is known', async () => {
    const scene = new Scene({ inFlightMax: 2 })
    for (const token of ['known', 'running', 'waiting', 'promoted']) void scene.lookup(token)
    const verdict = scene.valid('known')
    await scene.answer(verdict)
    scene.slowed.add('192.0.2.1')
    const running = scene.lookup('running')
    void scene.ask('promoted', 'session')
    expect(await scene.lookup('known')).to.equal(verdict)
    expect(await scene.lookup('a')).to.deep.equal({ kind: 'unavailable' })
    void scene.ask('b', 'session')
    void scene.ask('c', 'connect', '192.0.2.2')
    while (scene.asked.length > 0) await scene.answer({ kind: 'invalid' })
    expect(await running).to.deep.equal({ kind: 'invalid' })
    expect(await scene.lookup('waiting'), 'under way already').to.deep.equal({ kind: 'invalid' })
    expect(scene.counts.drops).to.deep.equal(['address'])
    // Neither what is known of a token already nor what a session asks for counts.
    expect(scene.failed).to.deep.equal(['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2'])
  })

  it('that wait are given up in their turn once the address is slowed down', async () => {
    const scene = new Scene({ inFlightMax: 1 })
    void scene.lookup('a')
    const waiting = scene.lookup('b')
    void scene.ask('c', 'connect', '192.0.2.2')
    scene.slowed.add('192.0.2.1')
    await scene.answer({ kind: 'invalid' })
    expect(await waiting).to.deep.equal({ kind: 'unavailable' })
    expect(scene.tokensAsked).to.deep.equal(['c'])
    expect(scene.counts.drops).to.deep.equal(['address'])
  })

  it('answer that wazo-auth is unavailable when too many wait', async () => {
    const scene = new Scene({ inFlightMax: 1, waitingMax: 1 })
    void scene.lookup('a')
    void scene.lookup('b')
    expect(await scene.lookup('c')).to.deep.equal({ kind: 'unavailable' })
    expect(scene.asked).to.have.length(1)
  })

  it('answer within the deadline, waiting included, and give their place to others', async () => {
    const scene = new Scene({ inFlightMax: 1 })
    const begun = scene.clock.monotonic()
    const answers = [scene.lookup('a'), scene.lookup('b')]
    expect(scene.asked[0]?.deadline).to.equal(begun + 8_000)
    scene.clock.advance(8_000)
    expect(await Promise.all(answers)).to.deep.equal([{ kind: 'unavailable' }, { kind: 'unavailable' }])
    void scene.lookup('c')
    await scene.answer({ kind: 'unavailable' })
    expect(scene.tokensAsked).to.deep.equal(['c'])
    await scene.answer({ kind: 'unavailable' })
    expect(scene.counts.drops, 'one did not get its turn').to.deep.equal(['late'])
    scene.lookups.forgetAll()
    expect(scene.clock.pending).to.equal(0)
  })

  it('remember within a bound of memory', async () => {
    const scene = new Scene()
    const acl = Array<string>(5_000).fill('x'.repeat(500))
    for (let i = 0; i < 10; i++) {
      void scene.lookup(`t${i}`)
      const verdict = scene.valid(`t${i}`)
      if (verdict.kind === 'valid')
        await scene.answer({ kind: 'valid', details: { ...verdict.details, acl } })
    }
    void scene.lookup('t9')
    void scene.lookup('t0')
    expect(scene.tokensAsked).to.deep.equal(['t0'])
  })

  it('do not believe that a token lives by an answer that was under way when revocations may have been missed', async () => {
    const scene = new Scene()
    const before = scene.lookup('a')
    scene.lookups.forgetAll()
    const after = scene.lookup('a')
    expect(scene.asked, 'nobody joins the old one').to.have.length(2)
    const verdict = scene.valid('a')
    await scene.answer(verdict)
    await scene.answer(verdict)
    expect(await before).to.deep.equal({ kind: 'unavailable' })
    expect(await after).to.equal(verdict)
  })

  it('believe that a token is invalid all the same', async () => {
    const scene = new Scene()
    const before = scene.lookup('a')
    scene.lookups.forgetAll()
    await scene.answer({ kind: 'invalid' })
    expect(await before).to.deep.equal({ kind: 'invalid' })
  })

  it('that wait for their turn meanwhile are asked afterwards, and believed', async () => {
    const scene = new Scene({ inFlightMax: 1 })
    void scene.lookup('a')
    const waiting = scene.lookup('b')
    scene.lookups.forgetAll()
    await scene.answer({ kind: 'unavailable' })
    const verdict = scene.valid('b')
    await scene.answer(verdict)
    expect(await waiting).to.equal(verdict)
  })
})
