import { LogUnavailableError, type LogSource } from '@wazo-websocketd/edge/bus/log'
import { Partition } from '@wazo-websocketd/edge/bus/partition'
import type { Loss, Page } from '@wazo-websocketd/edge/bus/page'
import { SharedLog } from '@wazo-websocketd/edge/bus/shared-log'
import { decode } from '@wazo-websocketd/shared/domain/envelope'
import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import { expect } from 'chai'
import * as fc from 'fast-check'
import { pino } from 'pino'
import { FakeClock, settle } from '../../../support/fakes/clock.js'
import { batch, EPOCH, OTHER_EPOCH } from '../../../support/fakes/batches.js'

/** Redis as a partition sees it, with answers that come when the test says so. */
class FakeLog implements LogSource {
  epoch: Epoch | null = EPOCH
  head = 0
  replayEnd: Offset = 0
  /** Why what it holds cannot be read. */
  foreign: string | null = null
  /** Entries per page: few, so that recoveries take several. */
  pageEntries = 2
  readonly entries: { prev: Offset; last: Offset; bytes: Uint8Array }[] = []
  private readonly asked: { answer: () => void; fail: () => void }[] = []

  page(_partition: number, after: Offset | null): Promise<Page> {
    return new Promise((resolve, reject) => {
      this.asked.push({
        answer: () => resolve(this.look(after)),
        fail: () => reject(new LogUnavailableError('told to')),
      })
    })
  }

  append(offsets: readonly Offset[], last: Offset): Uint8Array {
    const bytes = batch(this.head, last, offsets, this.epoch ?? EPOCH)
    this.entries.push({ prev: this.head, last, bytes })
    this.head = last
    return bytes
  }

  get waiting(): number {
    return this.asked.length
  }

  async answer(): Promise<void> {
    this.asked.shift()?.answer()
    await settle()
  }

  async fail(): Promise<void> {
    this.asked.shift()?.fail()
    await settle()
  }

  private look(after: Offset | null): Page {
    if (this.foreign !== null) return { meta: null, entries: [], unreadable: this.foreign }
    if (this.epoch === null) return { meta: null, entries: [] }
    const meta = { epoch: this.epoch, head: this.head, replayEnd: this.replayEnd }
    if (after === null) return { meta, entries: [] }
    const above = this.entries.filter(({ last }) => last > after).slice(0, this.pageEntries)
    return { meta, entries: above.map(({ bytes }) => bytes) }
  }
}

class Scene {
  readonly clock = new FakeClock()
  readonly log = new FakeLog()
  readonly delivered: Offset[] = []
  readonly losses: string[] = []
  readonly recoveries: string[] = []
  deaf = 0
  unreadable = 0
  awaited = false
  onDelivered: (offsets: readonly Offset[]) => void = () => undefined
  onLost: () => void = () => undefined
  readonly partition: Partition

  constructor() {
    this.partition = new Partition({
      partition: 0,
      log: this.log,
      sharedLog: new SharedLog(this.log, this.clock),
      clock: this.clock,
      logger: pino({ level: 'silent' }),
      lostGraceMs: 30_000,
      metrics: {
        recovery: (result) => this.recoveries.push(result),
        unreadable: () => this.unreadable++,
      },
      listener: {
        events: (_partition, events) => {
          const offsets = events.map(({ offset }) => offset)
          this.delivered.push(...offsets)
          this.onDelivered(offsets)
        },
        lost: (_partition, why) => {
          this.losses.push(why)
          this.onLost()
        },
        changed: () => undefined,
        stale: () => this.deaf++,
      },
    })
  }

  hear(bytes: Uint8Array): void {
    const message = decode(bytes)
    if (message.kind === 'batch') this.partition.batch(message)
  }

  /** `own`: over the channel of this partition. */
  state(head: Offset, { epoch = EPOCH, own = true }: { epoch?: Epoch; own?: boolean } = {}): void {
    const state = { kind: 'state', ingest: 'i', epoch, state: 'up', heads: [head] } as const
    if (!own || this.partition.ownState(state)) this.partition.headsReported(state)
  }

  async live(): Promise<void> {
    this.partition.subscribed()
    await this.log.answer()
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 200) {
      await this.clock.pass(200)
      this.partition.tick(this.awaited)
    }
  }
}

const START = { epoch: EPOCH, offset: 0 }

describe('partition', () => {
  it('is live only when the subscription is confirmed and the head has been read', async () => {
    const scene = new Scene()
    scene.log.head = 7
    expect(scene.partition.notReadyReason()).to.equal('partition 0: not subscribed')
    scene.partition.subscribed()
    await settle()
    expect([scene.partition.live, scene.partition.position]).to.deep.equal([false, null])
    expect(scene.partition.notReadyReason()).to.equal('partition 0: reading the log')
    await scene.log.answer()
    expect(scene.partition.live).to.equal(true)
    expect(scene.partition.position).to.deep.equal({ epoch: EPOCH, offset: 7 })
    expect([scene.partition.notReadyReason(), scene.recoveries]).to.deep.equal([null, []])
  })

  it('reads from the log what it heard before it knew the head', async () => {
    const missed = new Scene()
    missed.partition.subscribed()
    missed.hear(batch(0, 2, [1, 2])) // published after the head was read, heard before the answer came
    await missed.log.answer()
    expect(missed.partition.live).to.equal(false)
    missed.log.append([1, 2], 2)
    await missed.pass(400)
    await missed.log.answer()
    expect(missed.delivered).to.deep.equal([1, 2])
    expect(missed.partition.live).to.equal(true)
  })

  it('begins no earlier than the end of a replay, and is live when that is over', async () => {
    const scene = new Scene()
    scene.log.head = 2
    scene.log.replayEnd = 5
    await scene.live()
    expect([scene.partition.live, scene.partition.position]).to.deep.equal([
      false,
      { epoch: EPOCH, offset: 5 },
    ])
    scene.hear(scene.log.append([3, 4], 4))
    await scene.pass(200)
    await scene.log.answer()
    expect(scene.partition.live).to.equal(false)
    scene.hear(scene.log.append([5, 6], 6))
    await scene.pass(200)
    await scene.log.answer()
    expect(scene.delivered).to.deep.equal([6])
    expect(scene.partition.live).to.equal(true)
  })

  it('retries when Redis does not answer', async () => {
    const scene = new Scene()
    scene.partition.subscribed()
    await scene.log.fail()
    expect(scene.partition.live).to.equal(false)
    await scene.pass(200)
    await scene.log.answer()
    expect(scene.partition.live).to.equal(true)
  })

  it('looks into the log after 3 s of silence, without calling that a recovery', async () => {
    const scene = new Scene()
    await scene.live()
    await scene.pass(2_800)
    expect(scene.log.waiting).to.equal(0)
    await scene.pass(400)
    expect(scene.log.waiting).to.equal(1)
    expect(scene.partition.notReadyReason()).to.equal(null)
    await scene.log.answer()
    expect([scene.recoveries, scene.deaf]).to.deep.equal([[], 0])
  })

  it('calls the subscription deaf when the log had what the silence hid', async () => {
    const scene = new Scene()
    await scene.live()
    scene.log.append([1], 1)
    await scene.pass(3_200)
    await scene.log.answer()
    expect(scene.delivered).to.deep.equal([1])
    expect([scene.recoveries, scene.deaf]).to.deep.equal([['recovered'], 1])
  })

  it('recovers when a state shows a head above the cursor for 1 s, and not before', async () => {
    const scene = new Scene()
    await scene.live()
    scene.log.append([1], 1)
    scene.state(1)
    await scene.pass(800)
    expect(scene.log.waiting).to.equal(0)
    await scene.pass(400)
    await scene.log.answer()
    expect(scene.delivered).to.deep.equal([1])
  })

  describe('whose channel carries no states', () => {
    /** What an ingest publishes does not arrive, for so many seconds; its states do. */
    async function deafened(scene: Scene, seconds: number, events: readonly number[] = []): Promise<void> {
      for (let second = 0; second < seconds; second++) {
        const offset = scene.log.head + 1
        scene.log.append(
          events.filter((event) => event === offset),
          offset,
        )
        scene.state(offset, { own: false })
        await scene.pass(1_000)
        await scene.log.answer()
      }
    }

    it('is called deaf when twice in a row the log had what should have come live, and events come no later', async () => {
      const scene = new Scene()
      await scene.live()
      await deafened(scene, 1, [1])
      expect([scene.delivered, scene.deaf]).to.deep.equal([[1], 0])
      await deafened(scene, 1)
      expect(scene.deaf).to.equal(1)
      await deafened(scene, 1)
      expect(scene.deaf).to.equal(1)
    })

    it('is not called deaf when something came live in between', async () => {
      const scene = new Scene()
      await scene.live()
      for (let times = 0; times < 4; times++) {
        await deafened(scene, 1)
        const offset = scene.log.head + 1
        scene.hear(scene.log.append([offset], offset))
      }
      expect([scene.deaf, scene.recoveries.length]).to.deep.equal([0, 4])
    })

    it('is called deaf after a silence that hid batches without events, when that happens twice', async () => {
      const scene = new Scene()
      await scene.live()
      for (const [deaf] of [[0], [1]] as const) {
        scene.log.append([], scene.log.head + 1)
        await scene.pass(3_200)
        await scene.log.answer()
        expect(scene.deaf).to.equal(deaf)
      }
    })
  })

  it('forgets a head above the cursor when the batch arrives after all', async () => {
    const scene = new Scene()
    await scene.live()
    scene.state(1)
    await scene.pass(800)
    scene.hear(scene.log.append([1], 1))
    await scene.pass(800)
    expect(scene.log.waiting).to.equal(0)
  })

  it('ignores states that say nothing of its head', async () => {
    const scene = new Scene()
    await scene.live()
    scene.partition.headsReported({ kind: 'state', ingest: 'i', epoch: null, state: 'down', heads: [] })
    await scene.pass(1_600)
    expect(scene.log.waiting).to.equal(0)
  })

  it('is lost with another epoch and goes on at its head', async () => {
    const scene = new Scene()
    await scene.live()
    scene.log.epoch = OTHER_EPOCH
    scene.hear(scene.log.append([5], 5))
    await scene.log.answer()
    await scene.log.answer()
    expect(scene.losses).to.deep.equal(['a new epoch began'])
    scene.hear(scene.log.append([6], 6))
    expect(scene.delivered).to.deep.equal([6])
    expect(scene.recoveries).to.deep.equal(['lost'])
  })

  it('looks at the log once for an epoch that is not in force, and notices the silence all the same', async () => {
    const scene = new Scene()
    await scene.live()
    let looks = 0
    for (let second = 0; second < 9; second++) {
      scene.state(5, { epoch: OTHER_EPOCH })
      scene.hear(batch(4, 5, [5], OTHER_EPOCH))
      looks += scene.log.waiting
      await scene.log.answer()
      await scene.pass(1_000)
    }
    // The first message of the other epoch, then after 3, 6 and 9 s of silence of the own one.
    expect([looks, scene.losses, scene.recoveries]).to.deep.equal([3, [], []])
  })

  it('does not count a state of another epoch, and finds within 1 s that it is a new one', async () => {
    const scene = new Scene()
    await scene.live()
    const state = { kind: 'state', ingest: 'i', epoch: OTHER_EPOCH, state: 'up', heads: [5] } as const
    expect(scene.partition.ownState(state)).to.equal(false)
    expect(scene.partition.ownState({ ...state, epoch: null })).to.equal(true)
    scene.log.epoch = OTHER_EPOCH
    await scene.pass(1_000)
    await scene.log.answer()
    await scene.log.answer()
    expect([scene.losses, scene.partition.ownState(state)]).to.deep.equal([['a new epoch began'], true])
  })

  it('is not kept from noticing silence by an ingest that is not attached', async () => {
    const scene = new Scene()
    await scene.live()
    for (let second = 0; second < 4; second++) {
      scene.partition.ownState({ kind: 'state', ingest: 'i', epoch: null, state: 'down', heads: [] })
      await scene.pass(1_000)
    }
    expect(scene.log.waiting).to.equal(1)
  })

  it('is lost once when continuity stays in doubt for the grace, and not before', async () => {
    const scene = new Scene()
    await scene.live()
    scene.partition.interrupted()
    await scene.pass(29_800)
    expect(scene.losses).to.deep.equal([])
    await scene.pass(60_000)
    expect(scene.losses).to.deep.equal(['continuity could not be proven in time'])
    expect(scene.partition.position).to.equal(null)
  })

  it('is lost, again and again, while somebody waits for it and it cannot be read', async () => {
    const scene = new Scene()
    await scene.pass(60_000)
    expect(scene.losses).to.deep.equal([])
    scene.awaited = true
    await scene.pass(200)
    expect(scene.losses).to.deep.equal(['continuity could not be proven in time'])
    await scene.pass(29_600)
    expect(scene.losses).to.have.length(1)
    await scene.pass(600)
    expect(scene.losses).to.have.length(2)
    await scene.live()
    expect(scene.partition.live).to.equal(true)
  })

  it('does not go live again on messages that it cannot read', async () => {
    const scene = new Scene()
    await scene.live()
    scene.log.entries.push({ prev: 0, last: 1, bytes: Uint8Array.of(99) })
    scene.log.head = 1
    scene.partition.unreadableMessage('envelope version 99')
    await scene.log.answer()
    await scene.log.answer()
    expect(scene.losses[0]).to.match(/unreadable/)
    await scene.pass(400)
    await scene.log.answer()
    expect(scene.partition.notReadyReason()).to.equal('partition 0: envelope version 99')
    scene.state(1) // of an older ingest that follows the newer one
    await scene.pass(400)
    await scene.log.answer()
    expect(scene.partition.live, 'after a state').to.equal(false)
    scene.hear(scene.log.append([2], 2))
    await scene.pass(400)
    await scene.log.answer()
    expect(scene.partition.live, 'after a batch').to.equal(true)
    expect(scene.delivered).to.deep.equal([])
    expect([scene.losses.length, scene.unreadable]).to.deep.equal([1, 1])
  })

  it('is lost at a log that it cannot read though it heard nothing, and waits for a batch that it can', async () => {
    const scene = new Scene()
    await scene.live()
    scene.log.entries.push({ prev: 0, last: 1, bytes: Uint8Array.of(99) })
    scene.log.head = 1
    scene.partition.interrupted()
    scene.partition.subscribed()
    await scene.log.answer()
    expect(scene.losses[0]).to.match(/version 99/)
    await scene.log.answer()
    expect([scene.partition.live, scene.unreadable]).to.deep.equal([false, 1])
    scene.hear(scene.log.append([2], 2))
    await scene.pass(400)
    await scene.log.answer()
    expect([scene.partition.live, scene.delivered.length]).to.deep.equal([true, 0])
  })

  it('is lost in a numbering of a form that it does not know, and says which, until it is gone', async () => {
    const scene = new Scene()
    await scene.live()
    scene.hear(scene.log.append([1], 1))
    scene.log.foreign = 'numbering of form 2'
    scene.partition.interrupted()
    scene.partition.subscribed()
    await scene.log.answer()
    expect(scene.losses[0]).to.match(/form 2/)
    scene.hear(scene.log.append([2], 2)) // the envelope may still be the same
    await scene.log.answer()
    await scene.pass(2_000)
    expect(scene.partition.notReadyReason()).to.match(/partition 0: .*form 2/)
    scene.log.foreign = null
    scene.hear(scene.log.append([3], 3))
    await scene.log.answer()
    await scene.pass(400)
    await scene.log.answer()
    expect([scene.partition.live, scene.delivered]).to.deep.equal([true, [1]])
  })

  it('goes on without a word to its sessions when the log holds what it could not read as it came', async () => {
    const scene = new Scene()
    await scene.live()
    scene.log.append([1], 1)
    scene.partition.unreadableMessage('unknown kind of envelope: 3')
    await scene.log.answer()
    expect([scene.partition.live, scene.partition.notReadyReason()]).to.deep.equal([true, null])
    expect([scene.losses.length, scene.delivered]).to.deep.equal([0, [1]])
  })

  it('recovers from the log when the events of a live batch are malformed', async () => {
    const scene = new Scene()
    await scene.live()
    const bytes = scene.log.append([1], 1)
    scene.hear(bytes.subarray(0, -1))
    await scene.log.answer()
    expect(scene.delivered).to.deep.equal([1])
  })

  it('ends the catch-ups of a lost partition, and stops them silently when it is closed', async () => {
    const outcomes: string[] = []
    const reader = {
      events: () => outcomes.push('events'),
      live: () => outcomes.push('live'),
      lost: (loss: Loss) => outcomes.push(`lost: ${loss}`),
      congested: () => false,
    }
    const scene = new Scene()
    scene.log.append([1], 1)
    await scene.live()
    scene.partition.readLog(START, reader)
    scene.partition.notifyLost('told')
    expect(outcomes).to.deep.equal(['lost: continuity'])
    scene.partition.readLog(START, reader)
    scene.partition.close()
    await settle()
    expect(outcomes).to.deep.equal(['lost: continuity'])
    expect(scene.losses).to.deep.equal(['told'])
  })
})

describe('a partition that is closed', () => {
  it('lets nobody ask on how far its log reaches back', async () => {
    const scene = new Scene()
    await scene.live()
    scene.hear(scene.log.append([1], 1))
    let reach: string | null = null
    void scene.partition.reach(START).then((answer) => (reach = answer))
    await settle()
    await scene.log.fail()
    scene.partition.close()
    await scene.clock.pass(400)
    expect([reach, scene.log.waiting]).to.deep.equal(['other epoch', 0])
  })
})

describe('partition, under any order of what can happen', () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('publish' as const), events: fc.nat(3), skip: fc.nat(1) }),
    },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('next' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('lose' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('any' as const), which: fc.nat(50) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('answer' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('interrupt' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('subscribe' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('state' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('roll back' as const), by: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('behind' as const), position: fc.nat(20) }) },
  )
  type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

  /** Every batch ever made, what is on its way to the worker, and the sessions that were behind. */
  class Model {
    readonly scene = new Scene()
    readonly made: { prev: Offset; last: Offset; bytes: Uint8Array }[] = []
    readonly offsets: Offset[] = []
    readonly behind: { from: Offset; seen: Offset[]; live: boolean; lost: boolean }[] = []
    private readonly wire: Uint8Array[] = []
    private last = 0

    constructor() {
      this.scene.onDelivered = (offsets) => this.passOn(offsets)
    }

    async run(each: Step): Promise<void> {
      const { scene } = this
      if (each.do === 'publish') this.publish(each.events, each.skip)
      else if (each.do === 'next') this.hear(this.wire.shift())
      else if (each.do === 'lose') this.wire.shift()
      else if (each.do === 'any') this.hear(this.made[each.which % Math.max(this.made.length, 1)]?.bytes)
      else if (each.do === 'answer') await scene.log.answer()
      else if (each.do === 'fail') await scene.log.fail()
      else if (each.do === 'interrupt') scene.partition.interrupted()
      else if (each.do === 'subscribe') scene.partition.subscribed()
      else if (each.do === 'state') scene.state(scene.log.head)
      else if (each.do === 'pass') await scene.pass(1_000)
      else if (each.do === 'roll back') this.rollBack(each.by)
      else this.fallBehind(each.position)
    }

    /** What Redis lacks after it came back older is published again first, under the same numbers. */
    private publish(count: number, skip: number): void {
      const { log } = this.scene
      const again = this.made.find(({ last }) => last > log.head)
      if (again !== undefined) {
        log.entries.push(again)
        log.head = again.last
        this.wire.push(again.bytes)
        return
      }
      const offsets = Array.from({ length: count }, (_, i) => this.last + skip + 1 + i)
      const last = this.last + skip + Math.max(count, 1)
      const bytes = log.append(offsets, last)
      this.made.push({ prev: this.last, last, bytes })
      this.offsets.push(...offsets)
      this.wire.push(bytes)
      this.last = last
    }

    private hear(bytes: Uint8Array | undefined): void {
      if (bytes !== undefined) this.scene.hear(bytes)
    }

    private rollBack(by: number): void {
      const { log } = this.scene
      log.entries.splice(Math.max(log.entries.length - by, 0))
      log.head = log.entries.at(-1)?.last ?? 0
    }

    /** It may have been served by another worker, which was further than this one. */
    private fallBehind(position: Offset): void {
      if (this.scene.partition.position === null) return
      const offset = Math.min(position, this.last)
      const session = { from: offset, seen: [] as Offset[], live: false, lost: false }
      this.behind.push(session)
      this.scene.partition.readLog(
        { epoch: EPOCH, offset },
        {
          events: (events) => session.seen.push(...events.map(({ offset }) => offset)),
          live: () => (session.live = true),
          lost: () => (session.lost = true),
          congested: () => position % 5 === 0 && this.scene.clock.now() % 3_000 < 400,
        },
      )
    }

    private passOn(offsets: readonly Offset[]): void {
      for (const session of this.behind) {
        if (session.live) session.seen.push(...offsets)
      }
    }

    /** The worker gets everything that it may wait for, until it is at the end. */
    async settle(): Promise<void> {
      const { scene } = this
      while (scene.log.head < this.last) this.publish(0, 0)
      scene.partition.subscribed()
      for (let i = 0; i < 400; i++) {
        if (scene.partition.live && this.behind.every(({ live }) => live) && scene.log.waiting === 0) return
        await scene.log.answer()
        if (scene.log.waiting === 0) await scene.clock.pass(200)
      }
    }
  }

  it('delivers every event once and in order, and is never lost while the log reaches back', async function () {
    this.timeout(60_000)
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        const model = new Model()
        await model.scene.live()
        for (const each of steps) await model.run(each)
        await model.settle()
        expect(model.scene.losses).to.deep.equal([])
        expect(model.scene.delivered).to.deep.equal(model.offsets)
        for (const { from, seen, live } of model.behind) {
          expect(live).to.equal(true)
          expect(seen).to.deep.equal(model.offsets.filter((offset) => offset > from))
        }
      }),
      { numRuns: 300 },
    )
  })

  it('never hides a gap: with a log that forgets, what is missing is always announced', async function () {
    this.timeout(60_000)
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), fc.nat(3), async (steps, kept) => {
        const model = new Model()
        await model.scene.live()
        /** Where the worker began anew: what lies between is covered by a loss. */
        const marks: number[] = []
        model.scene.onLost = () => marks.push(model.scene.delivered.length)
        for (const each of steps) {
          if (each.do === 'roll back')
            model.scene.log.entries.splice(0, model.scene.log.entries.length - kept)
          else if (each.do !== 'behind') await model.run(each)
        }
        await model.settle()
        const { delivered } = model.scene
        for (let i = 1; i < delivered.length; i++) {
          const [before, after] = [delivered[i - 1]!, delivered[i]!]
          expect(after).to.be.greaterThan(before)
          if (!marks.includes(i))
            expect(model.offsets.indexOf(after)).to.equal(model.offsets.indexOf(before) + 1)
        }
        if (marks.length === 0) expect(delivered).to.deep.equal(model.offsets)
      }),
      { numRuns: 300 },
    )
  })
})
