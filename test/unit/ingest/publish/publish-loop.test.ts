import { expect } from 'chai'
import fc from 'fast-check'
import { setImmediate as nextTick } from 'node:timers/promises'
import type { Meta } from '@wazo-websocketd/ingest/attach/plan'
import type { PublishAnswer, PublishCall } from '@wazo-websocketd/ingest/publish/sequencer'
import { partitionOf } from '@wazo-websocketd/shared/domain/event'
import { FakeClock } from '../../../support/fakes/clock.js'
import {
  ACK_EVERY,
  canary,
  EPOCH,
  event,
  message,
  PublishLoopBench,
  settle,
} from '../../../support/fakes/publish-loop.js'

const HISTORY_BYTES = 1000
const WINDOW = 8

function publishLoop(partitions = 1) {
  const clock = new FakeClock()
  const seen = { calls: [] as PublishCall[], trimTo: null as number | null }
  const redis = {
    heads: [] as number[],
    asked: 0,
    away: false,
    /** Delays each answer. */
    delay: () => Promise.resolve(),
    answer: (call: PublishCall): PublishAnswer => ({ kind: 'OK', head: call.last }),
    meta: (p: number): Meta | null => ({
      epoch: EPOCH,
      offset: redis.heads[p]!,
      fingerprint: '',
      stream: 's',
      partitions,
    }),
  }
  const publisher = {
    publish: async (call: PublishCall, trimTo: number | null) => {
      seen.calls.push(call)
      seen.trimTo = trimTo
      await redis.delay()
      const answer = redis.answer(call)
      if ('head' in answer) redis.heads[call.partition] = answer.head
      return answer
    },
    meta: (p: number) => {
      redis.asked++
      return redis.away ? Promise.reject(new Error('away')) : Promise.resolve(redis.meta(p))
    },
  }
  const bench = new PublishLoopBench(clock, publisher, { partitions, windowMax: WINDOW }, HISTORY_BYTES)
  return {
    clock,
    seen,
    redis,
    acks: bench.acks,
    sender: bench.sender,
    attach: (offset: number, heads?: readonly (number | null)[]) => {
      redis.heads = Array.from({ length: partitions }, (_, p) => heads?.[p] ?? offset)
      return bench.attach(offset, heads)
    },
    state: () => bench.status.state,
    heads: () => bench.status.heads,
    stop: () => bench.stop(),
    pass: async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= 100) {
        clock.advance(Math.min(left, 100))
        await settle()
      }
    },
  }
}

/** One tenant per partition. */
const tenantOf = (p: number): string =>
  Array.from({ length: 50 }, (_, n) => `t${n}`).find((tenant) => partitionOf(tenant, 2) === p)!

describe('PublishLoop', () => {
  it('is up only once a canary came through since it attached, however fresh an earlier one is', async () => {
    const { clock, redis, attach, state, stop } = publishLoop()
    const first = attach(10)
    clock.advance(100)
    first.inbox.put(canary(11, 50, 1))
    await settle()
    expect(state()).to.equal('up')
    redis.answer = () => ({ kind: 'EMPTY' })
    first.inbox.put(event(12))
    await settle()
    expect(first.outcome.why).to.equal('empty')
    redis.answer = ({ last }) => ({ kind: 'OK', head: last })
    const second = attach(5)
    await settle()
    expect(state()).to.equal('catching-up')
    second.inbox.put(event(6))
    await settle()
    expect(state()).to.equal('catching-up')
    second.inbox.put(canary(7, 100, 2))
    await settle()
    expect(state()).to.equal('up')
    await stop()
  })

  it('trims by bytes when the events of one batch belong to several partitions', async () => {
    const { seen, attach, clock, stop } = publishLoop(2)
    const { inbox } = attach(10)
    const tenants = ['a', 'b', 'c', 'd', 'e', 'f']
    expect(new Set(tenants.map((tenant) => partitionOf(tenant, 2))).size).to.equal(2)
    for (let n = 0; n < 60; n++) {
      clock.advance(100)
      inbox.put(n % 10 === 9 ? canary(11 + n, 0, 1 + (n - 9) / 10) : event(11 + n, tenants[n % 6]))
      await settle()
    }
    // The history holds ten events; head passes both partitions with the canary of every tenth message.
    expect(seen.trimTo).to.be.within(70 - 30, 70 - 10)
    await stop()
  })

  it('gives credit back together, as deliveries come, while its window has room', async () => {
    const { clock, redis, acks, attach, stop } = publishLoop()
    const { inbox } = attach(10)
    // Another ingest publishes: deliveries stay in the window.
    redis.heads = [10]
    redis.answer = () => ({ kind: 'PART', head: redis.heads[0]! })
    for (let n = 11; n <= 17; n++) inbox.put(event(n))
    await settle()
    expect(acks).to.deep.equal([13, 16])
    for (let n = 18; n <= 20; n++) inbox.put(event(n))
    await settle()
    expect(acks).to.deep.equal([13, 16])
    redis.heads = [13]
    clock.advance(200)
    await settle()
    expect(acks).to.deep.equal([13, 16, 20])
    await stop()
  })

  it('reads on for the other partitions when its window is full of what waits for one that does not answer', async () => {
    const { redis, seen, acks, attach, pass, stop } = publishLoop(2)
    redis.answer = ({ partition, last }) =>
      partition === 1 ? { kind: 'lost', why: 'away' } : { kind: 'OK', head: last }
    const { inbox } = attach(10)
    for (let n = 11; n < 11 + WINDOW; n++) inbox.put(event(n, tenantOf(1)))
    await pass(500)
    expect(acks.at(-1)).to.equal(16)
    await pass(4_000)
    expect(acks.at(-1)).to.equal(18)
    inbox.put(event(19, tenantOf(0)))
    await pass(500)
    expect(seen.calls.filter(({ partition }) => partition === 0).map(({ last }) => last)).to.deep.equal([19])
    await stop()
  })

  it('is up while the broker takes no canaries and one partition of Redis does not answer', async () => {
    const { sender, redis, attach, state, pass, stop } = publishLoop(2)
    const { inbox } = attach(10, [10, null])
    const { meta } = redis
    redis.meta = (p) => {
      if (p === 1) throw new Error('away')
      return meta(p)
    }
    inbox.put(canary(11, 0, 1))
    sender.blocked = true
    await pass(60_000)
    expect(state()).to.equal('up')
    redis.away = true
    await pass(60_000)
    expect(state()).to.equal('down')
    await stop()
  })

  it('starves at no moment with a broker that counts its credit, and holds no more than window and credit', async () => {
    const last = 10 + 500
    const prefetches = fc.integer({ min: ACK_EVERY, max: 3 * WINDOW })
    const delays = fc.infiniteStream(fc.nat(4))
    const property = fc.asyncProperty(prefetches, delays, async (prefetch, ticks) => {
      const { redis, acks, attach, stop } = publishLoop()
      redis.delay = async () => {
        for (let left = ticks.next().value as number; left > 0; left--) await nextTick()
      }
      const { inbox } = attach(10)
      let sent = 10
      let heldMax = 0
      // The clock stands still: only answers of Redis let the loop go on.
      for (let turn = 0; redis.heads[0]! < last && turn < 50 * last; turn++) {
        while (sent < last && sent - (acks.at(-1) ?? 10) < prefetch) inbox.put(event(++sent))
        heldMax = Math.max(heldMax, sent - redis.heads[0]!)
        await nextTick()
      }
      await stop()
      expect(redis.heads).to.deep.equal([last])
      expect(heldMax).to.be.at.most(WINDOW + prefetch)
    })
    await fc.assert(property, { numRuns: 30 })
  })

  it('reads what another ingest has long published as fast as the broker gives it', async () => {
    const { redis, acks, attach, stop } = publishLoop()
    const { inbox, outcome } = attach(10)
    const last = 1000
    const prefetch = WINDOW
    redis.heads = [last]
    redis.answer = () => ({ kind: 'DUP', head: last })
    let sent = 10
    // The clock stands still: a follower that waits for its next poll gets no further.
    for (let turn = 0; sent < last && turn < 50 * last; turn++) {
      while (sent < last && sent - (acks.at(-1) ?? 10) < prefetch) inbox.put(event(++sent))
      await nextTick()
    }
    await stop()
    expect({ sent, why: outcome.why }).to.deep.equal({ sent: last, why: null })
  })

  it('keeps no delivery for long when no more come', async () => {
    const { clock, acks, attach, stop } = publishLoop()
    const { inbox } = attach(10)
    inbox.put(event(11))
    await settle()
    expect(acks).to.deep.equal([])
    clock.advance(1000)
    await settle()
    expect(acks).to.deep.equal([11])
    await stop()
  })

  it('trims by bytes when other ingests publish first', async () => {
    const { redis, seen, attach, clock, stop } = publishLoop()
    const { inbox } = attach(10)
    for (let n = 11; n < 40; n++) {
      // Every other batch was already there, and more behind it.
      const dup = n % 2 === 1
      redis.answer = ({ last }) => (dup ? { kind: 'DUP', head: last + 1 } : { kind: 'OK', head: last })
      clock.advance(600)
      inbox.put(event(n))
      await settle()
      clock.advance(600)
      await settle()
    }
    expect(seen.trimTo).to.be.a('number')
    await stop()
  })

  it('attaches again when canaries go out for ten seconds and nothing comes in', async () => {
    const { clock, sender, attach, pass } = publishLoop()
    const { inbox, outcome } = attach(10)
    await pass(60_000)
    expect(outcome.why, 'nothing was sent').to.equal(undefined)
    sender.sending = true
    for (let n = 11; n < 20; n++) {
      await pass(5000)
      inbox.put(n % 2 === 0 ? event(n) : canary(n, clock.monotonic(), (n - 9) / 2))
    }
    expect(outcome.why, 'all is well').to.equal(undefined)
    await pass(9500)
    expect(outcome.why).to.equal(undefined)
    await pass(1500)
    expect(outcome.why).to.equal('silent')
  })

  it('finds within a second, without a message of the stream, that Redis has lost its data', async () => {
    const { clock, redis, attach } = publishLoop()
    const { outcome } = attach(10)
    await settle()
    for (let n = 0; n < 30; n++) {
      clock.advance(100)
      await settle()
    }
    expect([redis.asked, outcome.why], 'all is well').to.deep.equal([3, undefined])
    redis.meta = () => null
    clock.advance(999)
    await settle()
    expect(outcome.why).to.equal(undefined)
    clock.advance(1)
    await settle()
    expect(outcome.why).to.equal('empty')
  })

  it('goes on asking a Redis that does not answer, and is not silent meanwhile', async () => {
    const { redis, attach, stop, pass, state } = publishLoop()
    const { outcome } = attach(10)
    redis.away = true
    await pass(10_000)
    expect(redis.asked).to.be.within(8, 100)
    expect(state()).to.equal('down')
    redis.away = false
    redis.asked = 0
    await pass(1000)
    expect([redis.asked, outcome.why]).to.deep.equal([1, undefined])
    await stop()
  })

  it('takes a stream that stands still while ticks come for one that has changed its leader', async () => {
    const { clock, sender, attach, stop } = publishLoop()
    const { outcome, marker } = attach(10)
    sender.sending = true
    for (let check = 0; check < 5; check++) {
      marker.tick()
      clock.advance(50)
      await settle()
    }
    expect(outcome.why).to.equal('hole')
    await stop()
  })

  it('does not add up what stood still before and after a pause of the whole broker', async () => {
    const { clock, sender, attach, stop } = publishLoop()
    const { outcome, marker } = attach(10)
    sender.sending = true
    const checks = async (count: number, ticks: boolean): Promise<void> => {
      for (let check = 0; check < count; check++) {
        if (ticks) marker.tick()
        clock.advance(50)
        await settle()
      }
    }
    for (let times = 0; times < 5; times++) {
      await checks(3, true)
      await checks(2, false)
    }
    expect(outcome.why).to.equal(undefined)
    // A single check without a tick is chance.
    await checks(2, true)
    await checks(1, false)
    await checks(3, true)
    expect(outcome.why).to.equal('hole')
    await stop()
  })

  it('does not take a Redis without an answer for a consumer that is silent', async () => {
    const { redis, sender, attach, stop, pass } = publishLoop()
    const { inbox, outcome } = attach(10)
    redis.answer = () => ({ kind: 'lost', why: 'away' })
    sender.sending = true
    for (let n = 11; n < 11 + WINDOW; n++) inbox.put(event(n))
    await pass(30_000)
    redis.answer = ({ last }) => ({ kind: 'OK', head: last })
    await pass(100)
    expect(outcome.why).to.equal(undefined)
    await stop()
  })

  for (const [what, why, act] of [
    ['the marker is gone', 'unmarked', ({ marker }) => marker.remove()],
    ['the consumer has ended', 'ended', ({ inbox }) => inbox.end('cancelled')],
    [
      'a canary is missing',
      'hole',
      ({ inbox }) => [canary(11, 0, 4), canary(12, 0, 6)].map((one) => inbox.put(one)),
    ],
    ['the numbering has a gap', 'gap', ({ inbox }) => inbox.put(canary(19, 0, 4))],
  ] as [string, string, (attached: ReturnType<PublishLoopBench['attach']>) => unknown][])
    it(`attaches again when ${what}`, async () => {
      const { attach } = publishLoop()
      const attached = attach(10)
      act(attached)
      await settle()
      expect(attached.outcome.why).to.equal(why)
    })

  it('takes a gap of the numbering that it meets again after attaching', async () => {
    const { attach, heads, stop } = publishLoop()
    const first = attach(10)
    first.inbox.put(canary(19, 0, 4))
    await settle()
    const second = attach(10)
    second.inbox.put(canary(19, 0, 4))
    await settle()
    expect([first.outcome.why, second.outcome.why, heads()]).to.deep.equal(['gap', undefined, [19]])
    await stop()
  })

  it('asks for a canary when a header is in doubt, and does not wait for one that does not come', async () => {
    const { sender, attach, heads, pass, stop } = publishLoop()
    const { inbox } = attach(10)
    inbox.put(message(11, { 'x-stream-offset': 'x', name: 'e', required_acl: null }, 'wazo-headers', '{}'))
    await settle()
    expect([sender.sent, heads()]).to.deep.equal([1, [10]])
    await pass(2000)
    expect(heads()).to.deep.equal([11])
    await stop()
  })

  it('is up without canaries while the broker takes none, as long as Redis answers', async () => {
    const { redis, sender, attach, state, pass, stop } = publishLoop()
    attach(10)
    sender.blocked = true
    await pass(20_000)
    expect(state()).to.equal('up')
    redis.away = true
    await pass(8000)
    expect(state()).to.equal('down')
    await stop()
  })

  describe('with a partition for which Redis does not answer', () => {
    /** Partition 1 is away. */
    async function halfAway(heads?: readonly (number | null)[]) {
      const made = publishLoop(2)
      const { redis } = made
      const outage = { is: true }
      redis.answer = ({ partition, last }) =>
        partition === 1 && outage.is ? { kind: 'lost', why: 'away' } : { kind: 'OK', head: last }
      const { meta } = redis
      redis.meta = (p) => {
        if (p === 1 && outage.is) throw new Error('away')
        return meta(p)
      }
      const attached = made.attach(10, heads)
      await settle()
      return { ...made, ...attached, end: () => (outage.is = false) }
    }

    it('does not keep the other one waiting, nor its window full, and attaches again once Redis answers', async () => {
      const { inbox, outcome, heads, acks, pass, end } = await halfAway()
      inbox.put(event(11, tenantOf(1)))
      for (let n = 12; n < 60; n++) {
        inbox.put(event(n, tenantOf(n % 2)))
        await pass(100)
        expect(heads()[0], 'at once').to.be.at.least(n - 1)
      }
      expect(acks.at(-1)).to.be.above(50)
      expect([heads()[1], outcome.why]).to.deep.equal([10, undefined])
      end()
      await pass(1000)
      expect(outcome.why).to.equal('behind')
    })

    it('goes on where it is unknown how far it stands, and is up by the other one', async () => {
      const { clock, inbox, outcome, heads, state, pass, end } = await halfAway([10, null])
      inbox.put(event(11, tenantOf(0)))
      inbox.put(canary(12, clock.monotonic(), 1))
      await settle()
      expect([heads()[0], state()]).to.deep.equal([12, 'up'])
      end()
      await pass(2000)
      expect(outcome.why).to.equal('behind')
    })
  })
})
