import { expect } from 'chai'

interface Event {
  readonly n: number
  readonly text: string
}

interface Store {
  filter: string
  readonly length: number
  readonly total: number
  readonly behind: number
  readonly dropped: number
  add(event: Event): void
  show(): void
  at(index: number): Event | undefined
  indexOf(event: Event | null): number
  clear(): void
}

const { EVENTS_MAX, EventStore } = (await import(
  new URL('../../../../packages/edge/console/event-store.js', import.meta.url).href
)) as { EVENTS_MAX: number; EventStore: new () => Store }

describe("The console's store of events", () => {
  let store: Store
  let n: number
  const add = (...texts: string[]) => {
    for (const text of texts) store.add({ n: n++, text })
  }
  const shown = () => Array.from({ length: store.length }, (_, index) => store.at(index)!.text)

  beforeEach(() => {
    store = new EventStore()
    n = 0
  })

  it('shows the newest first, and what was there at the last show, however much comes', () => {
    add('a', 'b')
    store.show()
    add('c')
    expect([shown(), store.behind]).to.deep.equal([['b', 'a'], 1])
    store.show()
    expect([shown(), store.behind]).to.deep.equal([['c', 'b', 'a'], 0])
  })

  it('keeps a bounded number, counts the others, and does not take from what is shown', () => {
    for (let i = 0; i < EVENTS_MAX; i++) add(String(i))
    store.show()
    add('x', 'y')
    expect([store.dropped, store.length, store.at(EVENTS_MAX - 1)!.text]).to.deep.equal([2, EVENTS_MAX, '0'])
    store.show()
    expect([store.length, store.at(0)!.text, store.at(EVENTS_MAX - 1)!.text]).to.deep.equal([
      EVENTS_MAX,
      'y',
      '2',
    ])
  })

  it('keeps a bounded size, but at least the last event', () => {
    const large = 'x'.repeat(20 * 1024 * 1024)
    add('small', large)
    expect(store.dropped).to.equal(0)
    add(large)
    expect(store.dropped).to.equal(2)
    add('x'.repeat(40 * 1024 * 1024))
    store.show()
    expect([store.dropped, store.length]).to.deep.equal([3, 1])
  })

  it('filters whatever the case, now and later, without showing what came since', () => {
    add('Call', 'agent')
    store.show()
    add('recall')
    store.filter = ' CALL '
    expect([shown(), store.total, store.behind]).to.deep.equal([['Call'], 2, 1])
    add('agent', 'call')
    expect(store.behind).to.equal(2)
    store.show()
    expect(shown()).to.deep.equal(['call', 'recall', 'Call'])
    store.filter = ''
    expect(store.length).to.equal(5)
  })

  it('drops what the filter matches with the rest', () => {
    store.filter = 'a'
    add('a')
    for (let i = 0; i < EVENTS_MAX; i++) add('b')
    store.show()
    expect([store.length, store.total, store.dropped]).to.deep.equal([0, EVENTS_MAX, 1])
  })

  it('tells where an event stands', () => {
    const event = { n: -1, text: 'first' }
    store.add(event)
    add('second')
    expect(store.indexOf(event)).to.equal(-1)
    store.show()
    expect([store.indexOf(event), store.indexOf(null)]).to.deep.equal([1, -1])
  })

  it('forgets all when it is cleared', () => {
    add('a')
    store.show()
    store.clear()
    expect([store.length, store.total, store.behind, store.dropped]).to.deep.equal([0, 0, 0, 0])
  })
})
