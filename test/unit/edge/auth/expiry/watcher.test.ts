import { dynamicRule, staticRule } from '@wazo-websocketd/edge/auth/expiry/recheck-rule'
import type { ExpiryJob } from '@wazo-websocketd/edge/auth/expiry/job'
import { TokenWatcher } from '@wazo-websocketd/edge/auth/expiry/watcher'
import type { TokenDetails, Verdict } from '@wazo-websocketd/shared/domain/identity'
import { hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { expect } from 'chai'
import { fakeLog } from '../../../../support/fakes/log.js'
import { FakeClock } from '../../../../support/fakes/clock.js'
import { Counts, details } from '../../../../support/fakes/tokens.js'

const HASH = hashToken('t')

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

/** A watcher, a wazo-auth, and a queue that keeps the first job of a token until it is due. */
class Scene {
  readonly clock = new FakeClock()
  readonly begun = this.clock.now()
  readonly counts = new Counts()
  /** Seconds since the start at which wazo-auth was asked. */
  readonly asked: number[] = []
  /** The job of each token that the queue has, and what was added to it. */
  readonly queue = new Map<string, ExpiryJob>()
  readonly added: ExpiryJob[] = []
  queueWorks = true
  /** Questions whose answers nobody wanted any more. */
  withdrawn = 0
  answer: () => Promise<Verdict> = () => Promise.resolve({ kind: 'unavailable' })
  /** How far wazo-auth's clock is ahead. */
  skew = 0
  uncertainty = 0
  readonly watcher: TokenWatcher

  constructor(rule = dynamicRule) {
    this.watcher = new TokenWatcher({
      rule,
      clock: this.clock,
      authTime: () => this.clock.now() + this.skew,
      uncertainty: () => this.uncertainty,
      metrics: this.counts,
      log: fakeLog().logger,
      random: () => 0.5,
      add: (job) => {
        this.added.push(job)
        if (this.queueWorks && !this.queue.has(job.hash)) this.queue.set(job.hash, job)
      },
      lookup: () => {
        this.asked.push(Math.floor((this.clock.now() - this.begun) / 1_000))
        return { answer: this.answer(), withdraw: () => this.withdrawn++ }
      },
    })
  }

  token(lifeSeconds: number, more: Partial<TokenDetails> = {}): TokenDetails {
    return details('t', { expiresAt: this.begun + this.skew + lifeSeconds * 1_000, ...more })
  }

  verdict(rights: TokenDetails): void {
    this.answer = () => Promise.resolve({ kind: 'valid', details: rights })
  }

  /** Lets time pass; jobs that come due are told to the watcher. */
  async pass(ms: number, step = 50): Promise<void> {
    for (let left = ms; left > 0; left -= step) {
      await this.clock.pass(Math.min(step, left), step)
      for (const job of this.queue.values())
        if (job.dueAt <= this.clock.now() + this.skew) {
          this.queue.delete(job.hash)
          this.watcher.handleNotice({
            kind: job.dueAt < job.expiresAt ? 're-check' : 'expired',
            hash: job.hash,
          })
        }
    }
  }

  dueIn(job: ExpiryJob | undefined): number {
    return Math.round(((job?.dueAt ?? NaN) - this.begun - this.skew) / 100) / 10
  }
}

describe('watch over tokens', () => {
  describe('with a queue that works', () => {
    it('ends a token at its expiry, not before', async () => {
      for (const life of [1, 10, 70]) {
        const scene = new Scene()
        scene.verdict(scene.token(life))
        const holder = new Holder()
        scene.watcher.watch(scene.token(life), holder)
        await scene.pass(life * 1_000 - 50)
        expect(holder.told).to.deep.equal([])
        await scene.pass(150)
        expect(holder.told).to.deep.equal(['queue expired'])
        expect([scene.clock.pending, scene.counts.tokens, scene.queue.size]).to.deep.equal([0, 0, 0])
      }
    })

    it('waits until it is sure of the time', async () => {
      const scene = new Scene()
      scene.uncertainty = 400
      const holder = new Holder()
      scene.watcher.watch(scene.token(10), holder)
      await scene.pass(9_500)
      expect(scene.dueIn(scene.added[0])).to.equal(10.4)
      scene.watcher.handleNotice({ kind: 'expired', hash: HASH }) // another worker's clock is ahead of this one's
      await scene.pass(800)
      expect(holder.told).to.deep.equal([])
      await scene.pass(400)
      expect([holder.told, scene.asked]).to.deep.equal([['queue expired'], []])
    })

    it('sets one job for a token, however many hold it', async () => {
      const scene = new Scene()
      for (let i = 0; i < 3; i++) scene.watcher.watch(scene.token(100), new Holder())
      await scene.pass(8_000)
      expect(scene.added.map((job) => scene.dueIn(job))).to.deep.equal([75])
    })

    it('sets no job for a token that is held for a moment only', async () => {
      const scene = new Scene()
      const watch = scene.watcher.watch(scene.token(100), new Holder())
      await scene.pass(3_000)
      watch.stop()
      await scene.pass(10_000)
      expect([scene.added, scene.clock.pending]).to.deep.equal([[], 0])
    })

    it('checks by the rule, and not at the expiry itself', async () => {
      const scene = new Scene()
      const token = scene.token(100)
      scene.verdict(token)
      scene.watcher.watch(token, new Holder())
      await scene.pass(102_000)
      expect(scene.asked).to.deep.equal([75])
      expect(scene.added.map((job) => scene.dueIn(job))).to.deep.equal([75, 100])
    })

    it('checks at a fixed interval when told to, counted from check to check', async () => {
      const scene = new Scene(staticRule(20_000))
      const token = scene.token(90)
      scene.verdict(token)
      scene.watcher.watch(token, new Holder())
      await scene.pass(92_000)
      expect(scene.asked).to.deep.equal([20, 40, 60, 80])
    })

    it('adds the next job a moment after the check, when the one that rang is gone, and in time', async () => {
      const scene = new Scene(staticRule(20_000))
      scene.verdict(scene.token(21))
      scene.watcher.watch(scene.token(21), new Holder())
      await scene.pass(20_000)
      expect(scene.added).to.have.length(1)
      expect([...scene.watcher.jobs()]).to.deep.equal([])
      await scene.pass(300)
      expect(scene.added).to.have.length(1)
      await scene.pass(400)
      expect(scene.added.map((job) => scene.dueIn(job))).to.deep.equal([20, 21])
    })

    it('ends a token that a check finds gone, before its time', async () => {
      const scene = new Scene()
      scene.answer = () => Promise.resolve({ kind: 'invalid' })
      const holders = [new Holder(), new Holder()]
      for (const holder of holders) scene.watcher.watch(scene.token(100), holder)
      await scene.pass(76_000)
      expect(holders.map(({ told }) => told)).to.deep.equal([['queue refused'], ['queue refused']])
      expect(scene.asked).to.have.length(1)
    })

    it('ends a token whose ACL has grown too large', async () => {
      const scene = new Scene()
      scene.answer = () => Promise.resolve({ kind: 'oversized', limit: 'x' })
      const holder = new Holder()
      scene.watcher.watch(scene.token(100), holder)
      await scene.pass(76_000)
      expect(holder.told).to.deep.equal(['queue refused'])
    })

    it('asks again with growing delays while wazo-auth is unavailable, and keeps the session', async () => {
      const scene = new Scene(staticRule(10_000))
      const holder = new Holder()
      scene.watcher.watch(scene.token(1_000), holder)
      await scene.pass(120_000)
      expect(scene.asked.slice(0, 7)).to.deep.equal([10, 11, 13, 17, 25, 41, 73])
      expect(holder.told).to.deep.equal([])
      scene.verdict(scene.token(1_000))
      await scene.pass(60_000)
      expect(holder.told).to.deep.equal([])
      // By the rule again.
      expect(scene.asked.slice(7)).to.deep.equal([105, 137, 147, 157, 167, 177])
    })

    it("leaves the end to the queue again when wazo-auth stays away until a token's expiry", async () => {
      const scene = new Scene()
      const holder = new Holder()
      scene.watcher.watch(scene.token(200), holder)
      await scene.pass(199_900)
      expect([...scene.watcher.jobs()].map(({ dueAt }) => dueAt - scene.begun)).to.deep.equal([200_000])
      expect(holder.told).to.deep.equal([])
      await scene.pass(400)
      expect(holder.told).to.deep.equal(['queue expired'])
    })

    it('checks by the rule, by itself, once the queue has the job of the expiry', async () => {
      const scene = new Scene(staticRule(5_000))
      const rights = scene.token(60)
      scene.watcher.watch(rights, new Holder())
      await scene.pass(8_500)
      scene.verdict(rights)
      scene.asked.length = 0
      await scene.pass(12_000)
      expect(scene.asked).to.deep.equal([12, 17])
      expect([...scene.queue.values()].map(({ dueAt }) => dueAt - scene.begun)).to.deep.equal([60_000])
    })

    it('tells changed rights, to those that do not have them yet', async () => {
      const scene = new Scene(staticRule(10_000))
      const [old, fresh] = [new Holder(), new Holder()]
      const changed = scene.token(100, { acl: ['websocketd', 'more'] })
      scene.watcher.watch(scene.token(100), old)
      scene.watcher.watch(changed, fresh)
      scene.verdict(changed)
      await scene.pass(25_000)
      expect(old.renewals).to.deep.equal([changed])
      expect(fresh.renewals).to.deep.equal([])
    })

    it('checks a token whose expiry is broadcast much too early', async () => {
      const scene = new Scene()
      const holder = new Holder()
      scene.watcher.watch(scene.token(20), holder)
      scene.watcher.handleNotice({ kind: 'expired', hash: HASH })
      scene.watcher.handleNotice({ kind: 'expired', hash: hashToken('unknown') })
      await scene.pass(100)
      expect([holder.told, scene.asked]).to.deep.equal([[], [0]])
    })

    it('follows an expiry that a check or another session finds moved', async () => {
      for (const find of ['check', 'session'] as const) {
        const scene = new Scene()
        const holder = new Holder()
        scene.watcher.watch(scene.token(40), holder)
        scene.verdict(scene.token(200))
        if (find === 'check') scene.watcher.handleNotice({ kind: 're-check', hash: HASH })
        else scene.watcher.watch(scene.token(200), new Holder())
        await scene.pass(60_000)
        // A worker that takes the session over has to know it, too.
        expect([holder.told, holder.renewals]).to.deep.equal([[], [scene.token(200)]])
        await scene.pass(140_500)
        expect(holder.told).to.deep.equal(['queue expired'])
      }
    })

    it('ends at once who comes after the end of the token', () => {
      const scene = new Scene()
      const [early, late, later] = [new Holder(), new Holder(), new Holder()]
      scene.watcher.watch(scene.token(-1), early)
      expect(early.told).to.deep.equal([]) // the queue may be about to tell
      scene.watcher.watch(scene.token(-1.6), late)
      expect([early.told, late.told]).to.deep.equal([['backstop expired'], ['backstop expired']])
      scene.watcher.watch(scene.token(-60), later).stop()
      expect(later.told).to.deep.equal(['backstop expired'])
      expect([scene.clock.pending, scene.counts.tokens]).to.deep.equal([0, 0])
    })

    it('names the jobs that the queue has to have', async () => {
      const scene = new Scene()
      const watches = ['a', 'b'].map((token) =>
        scene.watcher.watch(details(token, { expiresAt: scene.begun + 100_000 }), new Holder()),
      )
      expect([...scene.watcher.jobs()]).to.deep.equal([]) // they are to come
      await scene.pass(8_000)
      expect([...scene.watcher.jobs()].map(({ hash }) => hash)).to.deep.equal([
        hashToken('a'),
        hashToken('b'),
      ])
      watches[0]!.stop()
      expect([...scene.watcher.jobs()].map(({ hash }) => hash)).to.deep.equal([hashToken('b')])
      await scene.pass(72_000) // wazo-auth does not answer: nothing to add
      expect([...scene.watcher.jobs()]).to.deep.equal([])
    })
  })

  describe('with a queue that has lost everything', () => {
    it('ends a token between its expiry and 2 s later, with wazo-auth dead, not before', async () => {
      for (const uncertainty of [0, 250, 500])
        for (const life of [1, 10, 70, 300]) {
          const scene = new Scene()
          scene.queueWorks = false
          scene.uncertainty = uncertainty
          const holder = new Holder()
          scene.watcher.watch(scene.token(life), holder)
          await scene.pass(life * 1_000 + uncertainty + 500)
          expect(holder.told).to.deep.equal([])
          await scene.pass(1_500 - 2 * uncertainty)
          expect(holder.told).to.deep.equal(['backstop expired'])
          expect([scene.clock.pending, scene.counts.tokens]).to.deep.equal([0, 0])
        }
    })

    it('ends by the clock of wazo-auth, however wrong its own is', async () => {
      for (const skew of [-300_000, 300_000]) {
        const scene = new Scene()
        scene.queueWorks = false
        scene.skew = skew
        const holder = new Holder()
        scene.watcher.watch(scene.token(5), holder)
        await scene.pass(5_500)
        expect(holder.told).to.deep.equal([])
        await scene.pass(1_500)
        expect(holder.told).to.have.length(1)
      }
    })

    it('ends even while a check is without an answer', async () => {
      const scene = new Scene()
      scene.queueWorks = false
      scene.answer = () => new Promise(() => undefined)
      const holder = new Holder()
      scene.watcher.watch(scene.token(40), holder)
      scene.watcher.handleNotice({ kind: 're-check', hash: HASH })
      await scene.pass(42_000)
      expect(holder.told).to.deep.equal(['backstop expired'])
    })

    it('checks by itself when a notice is 30 s overdue, and says that the queue did not', async () => {
      const scene = new Scene(staticRule(20_000))
      scene.queueWorks = false
      scene.verdict(scene.token(200))
      const holder = new Holder()
      scene.watcher.watch(scene.token(200), holder)
      await scene.pass(101_000)
      expect(scene.asked).to.deep.equal([50, 100])
      scene.answer = () => Promise.resolve({ kind: 'invalid' })
      await scene.pass(50_000)
      expect(holder.told).to.deep.equal(['backstop refused'])
    })
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
    expect([scene.counts.tokens, scene.clock.pending]).to.deep.equal([0, 0])
    await scene.pass(20_000)
    expect(holder.told).to.deep.equal([])
  })

  it('asks no more about a token that nobody holds any more', async () => {
    const scene = new Scene(staticRule(10_000))
    scene.answer = () => new Promise(() => undefined)
    const watches = [new Holder(), new Holder()].map((holder) =>
      scene.watcher.watch(scene.token(100), holder),
    )
    await scene.pass(12_000)
    watches[0]!.stop()
    expect([scene.asked, scene.withdrawn]).to.deep.equal([[10], 0])
    watches[1]!.stop()
    expect(scene.withdrawn).to.equal(1)
  })

  it('ends silently when the worker does', async () => {
    const scene = new Scene()
    const holder = new Holder()
    scene.watcher.watch(scene.token(5), holder)
    scene.watcher.stop()
    await scene.pass(10_000)
    expect([holder.told, scene.clock.pending, scene.counts.tokens]).to.deep.equal([[], 0, 0])
  })
})
