import { dynamicRule, staticRule } from '@wazo-websocketd/edge/auth/recheck-rule'
import { TokenWatcher } from '@wazo-websocketd/edge/auth/token-watch'
import type { TokenDetails, Verdict } from '@wazo-websocketd/shared/domain/identity'
import { hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { expect } from 'chai'
import { FakeClock } from '../bus/fake-clock.js'
import { Counts, details } from './samples.js'

class Holder {
  readonly told: string[] = []
  readonly renewals: TokenDetails[] = []

  ended(source: string, why = 'expired'): void {
    this.told.push(`${source} ${why}`)
  }

  renewed(rights: TokenDetails): void {
    this.renewals.push(rights)
  }
}

class Scene {
  readonly clock = new FakeClock()
  readonly begun = this.clock.now()
  readonly counts = new Counts()
  /** Seconds since the start at which wazo-auth was asked. */
  readonly asked: number[] = []
  answer: () => Promise<Verdict> = () => Promise.resolve({ kind: 'unavailable' })
  /** How far wazo-auth's clock is ahead. */
  skew = 0
  readonly watcher: TokenWatcher

  constructor(rule = dynamicRule) {
    this.watcher = new TokenWatcher({
      rule,
      clock: this.clock,
      authTime: () => this.clock.now() + this.skew,
      metrics: this.counts,
      ask: () => {
        this.asked.push(Math.round((this.clock.now() - this.begun) / 1_000))
        return this.answer()
      },
    })
  }

  token(lifeSeconds: number, more: Partial<TokenDetails> = {}): TokenDetails {
    return details('t', { expiresAt: this.begun + this.skew + lifeSeconds * 1_000, ...more })
  }

  verdict(rights: TokenDetails): void {
    this.answer = () => Promise.resolve({ kind: 'valid', details: rights })
  }
}

describe('watch over tokens', () => {
  it('ends a token between its expiry and 2 s later, with wazo-auth dead, not before', async () => {
    for (const life of [1, 10, 70, 300]) {
      const scene = new Scene()
      const holder = new Holder()
      scene.watcher.watch(scene.token(life), holder)
      await scene.clock.pass(life * 1_000)
      expect(holder.told).to.deep.equal([])
      await scene.clock.pass(1_500)
      expect(holder.told).to.deep.equal(['backstop expired'])
      expect([scene.clock.timers, scene.counts.tokens]).to.deep.equal([0, 0])
    }
  })

  it('ends by the clock of wazo-auth, however wrong its own is', async () => {
    for (const skew of [-300_000, 300_000]) {
      const scene = new Scene()
      scene.skew = skew
      const holder = new Holder()
      scene.watcher.watch(scene.token(5), holder)
      await scene.clock.pass(5_000)
      expect(holder.told).to.deep.equal([])
      await scene.clock.pass(1_500)
      expect(holder.told).to.have.length(1)
    }
  })

  it('ends even while a check is without an answer', async () => {
    const scene = new Scene()
    scene.answer = () => new Promise(() => undefined)
    const holder = new Holder()
    scene.watcher.watch(scene.token(40), holder)
    await scene.clock.pass(42_000)
    expect(holder.told).to.deep.equal(['backstop expired'])
  })

  it('checks by the rule, and not at the expiry itself', async () => {
    const scene = new Scene()
    const token = scene.token(100)
    scene.verdict(token)
    scene.watcher.watch(token, new Holder())
    await scene.clock.pass(102_000, 250)
    expect(scene.asked).to.deep.equal([75])
  })

  it('checks at a fixed interval when told to', async () => {
    const scene = new Scene(staticRule(20_000))
    const token = scene.token(90)
    scene.verdict(token)
    scene.watcher.watch(token, new Holder())
    await scene.clock.pass(92_000, 250)
    expect(scene.asked).to.have.length(4)
    expect(scene.asked[0]).to.equal(20)
  })

  it('ends a token that a check finds gone, before its time', async () => {
    const scene = new Scene()
    scene.answer = () => Promise.resolve({ kind: 'invalid' })
    const holders = [new Holder(), new Holder()]
    for (const holder of holders) scene.watcher.watch(scene.token(100), holder)
    await scene.clock.pass(76_000)
    expect(holders.map(({ told }) => told)).to.deep.equal([['queue refused'], ['queue refused']])
    expect(scene.asked).to.have.length(1)
  })

  it('ends a token whose ACL has grown too large', async () => {
    const scene = new Scene()
    scene.answer = () => Promise.resolve({ kind: 'oversized', limit: 'x' })
    const holder = new Holder()
    scene.watcher.watch(scene.token(100), holder)
    await scene.clock.pass(76_000)
    expect(holder.told).to.deep.equal(['queue refused'])
  })

  it('asks again with growing delays while wazo-auth is unavailable, and keeps the session', async () => {
    const scene = new Scene(staticRule(10_000))
    const holder = new Holder()
    scene.watcher.watch(scene.token(1_000), holder)
    await scene.clock.pass(120_000, 250)
    const delays = scene.asked.map((at, i) => at - (scene.asked[i - 1] ?? 0))
    expect(delays.slice(0, 7)).to.deep.equal(
      [10, 1, 2, 4, 8, 16, 32].map((each, i) => (delays[i]! - each <= 1 ? delays[i] : each)),
    )
    expect(holder.told).to.deep.equal([])
    scene.verdict(scene.token(1_000))
    await scene.clock.pass(60_000, 250)
    expect(holder.told).to.deep.equal([])
  })

  it('tells changed rights, to those that do not have them yet', async () => {
    const scene = new Scene(staticRule(10_000))
    const [old, fresh] = [new Holder(), new Holder()]
    const changed = scene.token(100, { acl: ['websocketd', 'more'] })
    scene.watcher.watch(scene.token(100), old)
    scene.watcher.watch(changed, fresh)
    scene.verdict(changed)
    await scene.clock.pass(25_000)
    expect(old.renewals).to.deep.equal([changed])
    expect(fresh.renewals).to.deep.equal([])
  })

  it('follows an expiry that a check finds moved', async () => {
    const scene = new Scene()
    const holder = new Holder()
    scene.watcher.watch(scene.token(40), holder)
    scene.verdict(scene.token(200))
    scene.watcher.recheck(hashToken('t'))
    await scene.clock.pass(60_000)
    expect(holder.told).to.deep.equal([])
    expect(holder.renewals).to.deep.equal([])
    scene.answer = () => Promise.resolve({ kind: 'unavailable' })
    await scene.clock.pass(142_000)
    expect(holder.told).to.deep.equal(['backstop expired'])
  })

  it('stops with the last holder, each of them by itself', async () => {
    const scene = new Scene()
    const holder = new Holder()
    const [first, second] = [1, 2].map(() => scene.watcher.watch(scene.token(10), holder))
    expect(scene.counts.tokens).to.equal(1)
    first?.stop()
    first?.stop()
    expect(scene.counts.tokens).to.equal(1)
    second?.stop()
    expect([scene.counts.tokens, scene.clock.timers]).to.deep.equal([0, 0])
    await scene.clock.pass(20_000)
    expect(holder.told).to.deep.equal([])
  })

  it('believes a broadcast expiry, unless its own clock finds it early', async () => {
    const scene = new Scene()
    const holder = new Holder()
    scene.watcher.watch(scene.token(20), holder)
    scene.watcher.expired(hashToken('t'))
    await scene.clock.pass(100)
    expect([holder.told, scene.asked]).to.deep.equal([[], [0]])
    await scene.clock.pass(19_000)
    scene.watcher.expired(hashToken('t'))
    scene.watcher.expired(hashToken('unknown'))
    expect(holder.told).to.deep.equal(['queue expired'])
  })

  it('ends silently when the worker does', async () => {
    const scene = new Scene()
    const holder = new Holder()
    scene.watcher.watch(scene.token(5), holder)
    scene.watcher.stop()
    await scene.clock.pass(10_000)
    expect([holder.told, scene.clock.timers]).to.deep.equal([[], 0])
  })
})
