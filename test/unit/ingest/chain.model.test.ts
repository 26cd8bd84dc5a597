/** Several ingests, one simulated Redis, one simulated stream, random faults: invariants I1, I6 and I7. */
import { expect } from 'chai'
import fc from 'fast-check'
import { Chain } from '@wazo-websocketd/ingest/chain'
import type { Answer, Jump, PublishCall } from '@wazo-websocketd/ingest/chain'
import { EVERY_PARTITION } from '@wazo-websocketd/ingest/delivery'
import type { Epoch } from '@wazo-websocketd/shared/domain/identity'
import { delivery, eventAt } from './delivery-of.js'

const OPTIONS = {
  batchCountMax: 5,
  batchBytesMax: 1000,
  headPollMs: 200,
  crowdedPollMs: 10,
  idlePollMs: 1000,
  takeoverMs: 500,
  windowMax: 8,
  windowBytesMax: 1e6,
}
const EPOCH = 'E' as Epoch

interface Message {
  readonly offset: number
  readonly target: number
  /** null: a canary or a dropped message. */
  readonly event: boolean
}

interface Entry {
  readonly prev: number
  readonly last: number
  readonly offsets: readonly number[]
}

/** The script's rules, written down a second time. */
class Redis {
  heads: (number | null)[]
  logs: Entry[][]
  private readonly live: (partition: number, entry: Entry) => void

  constructor(partitions: number, live: (partition: number, entry: Entry) => void) {
    this.heads = Array.from({ length: partitions }, () => 0)
    this.logs = Array.from({ length: partitions }, () => [])
    this.live = live
  }

  publish({ partition, prev, last, deliveries }: PublishCall): Answer {
    const head = this.heads[partition] ?? null
    if (head === null) return { kind: 'EMPTY' }
    if (head >= last) return { kind: 'DUP', head }
    if (head > prev) return { kind: 'PART', head }
    if (head < prev) return { kind: 'ROLLED', head }
    const offsets = deliveries.filter(({ event }) => event !== null).map(({ offset }) => offset)
    const entry = { prev, last, offsets }
    this.logs[partition]?.push(entry)
    this.heads[partition] = last
    this.live(partition, entry)
    return { kind: 'OK', head: last }
  }
}

/** What an edge worker does with what it hears (architecture, section 3), reading the log when it missed something. */
class Edge {
  readonly cursor: number
  readonly got: number[] = []
  private at = 0

  constructor() {
    this.cursor = 0
  }

  hear({ prev, last, offsets }: Entry): boolean {
    if (last <= this.at) return true
    if (prev > this.at) return false
    this.got.push(...offsets.filter((offset) => offset > this.at))
    this.at = last
    return true
  }
}

interface Running {
  chain: Chain
  next: number
  flight: readonly PublishCall[] | null
  jumps: readonly (Jump | null)[]
}

class World {
  readonly stream: Message[] = [{ offset: 0, target: EVERY_PARTITION, event: false }]
  readonly redis: Redis
  readonly edges: Edge[]
  readonly ingests: (Running | null)[] = [null, null, null]
  ghosts: PublishCall[] = []
  now = 0
  takeovers = 0
  private readonly partitions: number
  private snapshot: { heads: (number | null)[]; logs: Entry[][] } | null = null

  constructor(partitions: number) {
    this.partitions = partitions
    this.edges = Array.from({ length: partitions }, () => new Edge())
    this.redis = new Redis(partitions, (p, entry) => {
      const { prev, last } = entry
      const inRange = this.stream.filter(({ offset }) => offset > prev && offset <= last)
      const due = inRange.filter(({ event, target }) => event && target === p).map(({ offset }) => offset)
      expect(entry.offsets, `I6: a batch holds exactly what is in its range ${prev}-${last}`).to.deep.equal(
        due,
      )
      // A message on the live channel may be missed; then the log is read.
      if (!this.edges[p]!.hear(entry)) throw new Error('a published batch does not follow the one before')
    })
  }

  append(kind: number): void {
    const last = this.stream.at(-1)!.offset
    const offset = last + (kind % 11 === 0 ? 7 : kind % 5 === 0 ? 2 : 1)
    const canary = kind % 4 === 0
    this.stream.push({ offset, target: canary ? EVERY_PARTITION : kind % this.partitions, event: !canary })
  }

  /** What the attach procedure does, given that its checks succeed. */
  attach(i: number, jumps: readonly (Jump | null)[] = []): void {
    this.redis.heads.forEach((head, p) => {
      // Seeding: as far back as the ring reaches, here to the beginning.
      if (head === null) this.redis.heads[p] = 0
    })
    const heads = this.redis.heads.map((head) => head!)
    const lowest = Math.min(...heads)
    const next = this.stream.findIndex(({ offset }) => offset === lowest) + 1
    expect(next, 'head is an offset of the stream').to.be.greaterThan(0)
    this.ingests[i] = { chain: new Chain(OPTIONS, EPOCH, heads, this.now), next, flight: null, jumps }
  }

  deliver(i: number, count: number): void {
    const ingest = this.ingests[i]
    if (!ingest) return
    for (let n = 0; n < count; n++) {
      const message = this.stream[ingest.next]
      if (message === undefined || ingest.chain.waiting >= OPTIONS.windowMax) return
      const known = ({ from, to }: Jump) => ingest.jumps.some((one) => one?.from === from && one.to === to)
      const event = message.event ? eventAt(message.offset) : null
      const { offset, target } = message
      if (!ingest.chain.deliver(delivery(offset, { target, event, receivedAt: this.now }), known)) return
      ingest.next++
    }
  }

  step(i: number): void {
    const ingest = this.ingests[i]
    if (!ingest || ingest.flight !== null) return
    const step = ingest.chain.step(this.now)
    if (step.kind === 'attach') this.attach(i, [...ingest.jumps, ingest.chain.jump])
    else if (step.kind === 'publish') ingest.flight = step.calls
    else if (step.kind === 'poll')
      ingest.chain.polled(
        this.redis.heads.map((head) => (head === null ? null : { epoch: EPOCH, head })),
        this.now,
      )
  }

  /** Redis handles what ingest `i` sent; `fate` says which answers, and which calls, get lost. */
  answer(i: number, fate: number): void {
    const ingest = this.ingests[i]
    if (!ingest || ingest.flight === null) return
    const { flight } = ingest
    ingest.flight = null
    const led = ingest.chain.leads
    const answers = flight.map((call, n): Answer => {
      const luck = (fate >> (2 * n)) % 4
      if (luck === 1) return { kind: 'lost' }
      const answer = this.redis.publish(call)
      return luck === 2 ? { kind: 'lost' } : answer
    })
    ingest.chain.answered(flight, answers, this.now)
    if (!led && ingest.chain.leads) this.takeovers++
  }

  /** The process is gone; what it sent may still arrive, at any time. */
  crash(i: number): void {
    this.ghosts.push(...(this.ingests[i]?.flight ?? []))
    this.ingests[i] = null
  }

  ghost(): void {
    const call = this.ghosts.shift()
    if (call !== undefined) this.redis.publish(call)
  }

  save(): void {
    this.snapshot = { heads: [...this.redis.heads], logs: this.redis.logs.map((log) => [...log]) }
  }

  /** Redis comes back with what it had saved, or empty. */
  rollBack(empty: boolean): void {
    this.redis.heads =
      empty || this.snapshot === null ? this.redis.heads.map(() => null) : [...this.snapshot.heads]
    this.redis.logs =
      empty || this.snapshot === null
        ? this.redis.logs.map(() => [])
        : this.snapshot.logs.map((log) => [...log])
  }

  /** Lets one ingest run alone, without faults, until nothing is left. */
  settle(): void {
    for (const i of [0, 1, 2]) this.crash(i)
    while (this.ghosts.length > 0) this.ghost()
    this.attach(0)
    for (let n = 0; n < this.stream.length * 20; n++) {
      this.now += 100
      this.deliver(0, 3)
      this.step(0)
      this.answer(0, 0)
    }
  }
}

const which = fc.oneof(
  { weight: 8, arbitrary: fc.constant('drive') },
  { weight: 4, arbitrary: fc.constantFrom('append', 'time') },
  { weight: 2, arbitrary: fc.constant('attach') },
  { weight: 6, arbitrary: fc.constantFrom('deliver', 'step', 'answer') },
  { weight: 1, arbitrary: fc.constantFrom('crash', 'ghost', 'save', 'rollBack', 'empty') },
)
const action = fc.tuple(which, fc.integer({ min: 0, max: 2 }), fc.nat(1000))

function perform(world: World, [what, i, n]: [string, number, number]): void {
  const rarely = n % 4 === 0
  if (what === 'append') for (let k = 0; k < 1 + (n % 6); k++) world.append(n + k)
  else if (what === 'attach' && world.ingests[i] === null) world.attach(i)
  else if (what === 'drive') {
    world.deliver(i, 1 + (n % 6))
    world.step(i)
    world.answer(i, n % 3 === 0 ? n : 0)
  } else if (what === 'deliver') world.deliver(i, 1 + (n % 6))
  else if (what === 'step') world.step(i)
  else if (what === 'answer') world.answer(i, n)
  else if (what === 'crash' && rarely) world.crash(i)
  else if (what === 'ghost') world.ghost()
  else if (what === 'time') world.now += n
  else if (what === 'save') world.save()
  else if (what === 'rollBack' && rarely) world.rollBack(false)
  else if (what === 'empty' && rarely) world.rollBack(true)
}

function check(world: World, partitions: number): void {
  for (let p = 0; p < partitions; p++) {
    const expected = world.stream
      .filter(({ event, target }) => event && target === p)
      .map(({ offset }) => offset)
    expect(world.edges[p]!.got, `events of partition ${p}`).to.deep.equal(expected)
    let covered = world.redis.logs[p]![0]?.prev ?? 0
    for (const entry of world.redis.logs[p]!) {
      expect(entry.prev, 'the log has no hole').to.equal(covered)
      covered = entry.last
    }
  }
}

describe('Chains of several ingests over one Redis', function () {
  this.timeout(60_000)
  for (const partitions of [1, 3])
    it(`lose, double and reorder nothing under random faults with ${partitions} partition(s)`, () => {
      let takeovers = 0
      fc.assert(
        fc.property(fc.array(action, { minLength: 20, maxLength: 200, size: 'max' }), (actions) => {
          const world = new World(partitions)
          let before = [...world.redis.heads]
          for (const one of actions) {
            perform(world, one)
            if (one[0] !== 'rollBack' && one[0] !== 'empty')
              world.redis.heads.forEach((head, p) => {
                if (head !== null && before[p] !== null) expect(head, 'I7').to.be.at.least(before[p] ?? 0)
              })
            before = [...world.redis.heads]
          }
          world.settle()
          check(world, partitions)
          takeovers += world.takeovers
        }),
        { numRuns: 200 },
      )
      expect(takeovers, 'the faults did make others take over').to.be.greaterThan(20)
    })
})
