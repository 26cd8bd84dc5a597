import type { Epoch, Offset } from '@wazo-websocketd/shared/domain/position'
import { LogUnavailableError, type LogSource } from '@wazo-websocketd/edge/bus/log'
import { openEntry, type Page } from '@wazo-websocketd/edge/bus/page'
import { SHARED_PAGE_BYTES_MAX, SharedLog } from '@wazo-websocketd/edge/bus/shared-log'
import { expect } from 'chai'
import { FakeClock, settle } from '../../../support/fakes/clock.js'
import { batch, EPOCH, OTHER_EPOCH } from '../../../support/fakes/batches.js'

const ENTRIES_PER_PAGE = 4

/** A log of one event per batch, that answers when the test says so; it looks when it answers. */
class FakeLog implements LogSource {
  epoch: Epoch = EPOCH
  trimmedTo = 0
  head = 0
  readonly reads: Offset[] = []
  private readonly pending: ((page: Page | null) => void)[] = []
  bad: Offset | null = null

  page(_partition: number, after: Offset | null, bytesMax?: number): Promise<Page> {
    expect(bytesMax).to.equal(SHARED_PAGE_BYTES_MAX)
    this.reads.push(after!)
    return new Promise((resolve, reject) => {
      this.pending.push((page) =>
        page === null ? reject(new LogUnavailableError('told to')) : resolve(page),
      )
    })
  }

  look(after: Offset): Page {
    const entries: Uint8Array[] = []
    for (let at = Math.max(after, this.trimmedTo); at < this.head && entries.length < ENTRIES_PER_PAGE; at++)
      entries.push(at === this.bad ? Uint8Array.of(9, 9) : batch(at, at + 1, [at + 1], this.epoch))
    return { meta: { epoch: this.epoch, head: this.head }, entries }
  }

  async answer(): Promise<void> {
    this.pending.shift()?.(this.look(this.reads.at(-1)!))
    await settle()
  }

  async fail(): Promise<void> {
    this.pending.shift()?.(null)
    await settle()
  }
}

describe('SharedLog', () => {
  const setUp = (head: Offset) => {
    const [log, clock] = [new FakeLog(), new FakeClock()]
    log.head = head
    const shared = new SharedLog(log, clock)
    /** What a reader at `offset` is given: the ends of the entries, or the error. */
    const ask = (offset: Offset, epoch = EPOCH) => {
      const reader = { lasts: null as Offset[] | null, page: null as Page | null, error: null as unknown }
      shared.page(0, { epoch, offset }).then(
        (page) => {
          reader.page = page
          reader.lasts = page.entries.map((entry) =>
            entry instanceof Uint8Array && entry.length < 3 ? -1 : openEntry(entry).last,
          )
        },
        (error: unknown) => (reader.error = error),
      )
      return reader
    }
    return { log, clock, shared, ask }
  }

  it('reads once for all that stand within a page, also for those that come later', async () => {
    const { log, ask } = setUp(100)
    const early = [ask(10), ask(12), ask(10)]
    await log.answer()
    const late = ask(13)
    await settle()
    expect(early.map(({ lasts }) => lasts)).to.deep.equal([
      [11, 12, 13, 14],
      [13, 14],
      [11, 12, 13, 14],
    ])
    expect(late.lasts).to.deep.equal([14])
    expect(log.reads).to.deep.equal([10])
  })

  it('opens events once: all readers are given the same', async () => {
    const { log, ask } = setUp(100)
    const [one, other] = [ask(10), ask(11)]
    await log.answer()
    const eventOf = (page: Page | null, at: number) => openEntry(page!.entries[at]!).open()[0]
    expect(eventOf(one.page, 1)).to.equal(eventOf(other.page, 0))
  })

  it('serves a crowd in one sweep, from the lowest place on; who comes behind it waits for the next', async () => {
    const { log, ask } = setUp(100)
    ask(50)
    for (const place of [70, 30, 60, 61, 52, 58]) ask(place)
    for (let i = 0; i < 5; i++) await log.answer()
    expect(log.reads).to.deep.equal([50, 58, 70, 30])
  })

  it('takes no kept page for the end of the log', async () => {
    const { log, clock, ask } = setUp(12)
    ask(10)
    await log.answer()
    log.head = 13
    const next = ask(12)
    clock.advance(1_000)
    await log.answer()
    expect(next.lasts).to.deep.equal([13])
    expect(log.reads).to.deep.equal([10, 12])
  })

  it('lets those at the end of the log wait for each other', async () => {
    const { log, clock, ask } = setUp(12)
    ask(10)
    await log.answer()
    ask(12)
    expect(log.reads).to.deep.equal([10])
    clock.advance(50)
    expect(log.reads).to.deep.equal([10, 12])
  })

  it('tells that something is missing only by a read that began after the question', async () => {
    const { log, clock, ask } = setUp(100)
    log.trimmedTo = 20
    const early = ask(10)
    const late = [ask(11), ask(15)]
    await log.answer()
    expect(early.lasts).to.deep.equal([21, 22, 23, 24])
    expect(late.map(({ lasts }) => lasts)).to.deep.equal([null, null])
    clock.advance(100)
    await log.answer()
    expect(late.map(({ lasts }) => lasts)).to.deep.equal([
      [21, 22, 23, 24],
      [21, 22, 23, 24],
    ])
    expect(log.reads).to.deep.equal([10, 11])
  })

  it('keeps nothing of another epoch', async () => {
    const { log, clock, ask } = setUp(100)
    ask(10)
    await log.answer()
    log.epoch = OTHER_EPOCH
    const other = ask(11, OTHER_EPOCH)
    await log.answer()
    expect(other.lasts).to.deep.equal([12, 13, 14, 15])
    const old = ask(11)
    clock.advance(100)
    await log.answer()
    expect(old.page?.meta?.epoch).to.equal(OTHER_EPOCH)
    expect(log.reads).to.deep.equal([10, 11, 11])
  })

  it('shares no page of which something cannot be read', async () => {
    const { log, ask } = setUp(100)
    log.bad = 11
    const [at, above] = [ask(10), ask(12)]
    await log.answer()
    await log.answer()
    expect(at.lasts).to.deep.equal([11, -1, 13, 14])
    expect(above.lasts).to.deep.equal([13, 14, 15, 16])
  })

  it('tells all that wait when Redis does not answer, and asks anew the next time', async () => {
    const { log, ask } = setUp(100)
    const waiting = [ask(10), ask(50)]
    await log.fail()
    expect(waiting.every(({ error }) => error instanceof LogUnavailableError)).to.equal(true)
    const again = ask(10)
    await log.answer()
    expect(again.lasts).to.have.length(4)
  })

  it('forgets what nobody has used for some seconds', async () => {
    const { log, clock, ask } = setUp(100)
    ask(10)
    await log.answer()
    clock.advance(7_000)
    expect(clock.pending).to.equal(0)
    ask(10)
    expect(log.reads).to.deep.equal([10, 10])
  })

  it('hands out so much per turn of the event loop, and the rest in the next ones', async () => {
    const { log, clock, ask } = setUp(100)
    const readers = Array.from({ length: 20_000 }, () => ask(10))
    await log.answer()
    const served = () => readers.filter(({ lasts }) => lasts !== null).length
    expect(served()).to.be.within(1_000, 19_000)
    clock.advance(10)
    await settle()
    expect(served()).to.equal(20_000)
    expect(log.reads).to.have.length(1)
  })
})
