/** The rows in sight: they exist, each at its place, and no others. However many events there are, drawing costs the same. */
import { EventRow } from './event-row.js'
import { RowGeometry } from './row-geometry.js'

/** Rows that exist above and below those in sight. */
const OVERSCAN = 4

export class RowWindow {
  #box
  #items
  #probe
  #store
  /** Event -> its row, in the order of the list. */
  #rows = new Map()
  #geometry = new RowGeometry({ count: 0, rowHeight: 1, openIndex: -1, openHeight: 1 })
  #openHeight = 0

  /** `box`: what scrolls; `items`: the list in it; `probe`: an element as high as a row. */
  constructor({ box, items, probe }, store) {
    this.#box = box
    this.#items = items
    this.#probe = probe
    this.#store = store
  }

  /** The row of an event, if it exists. */
  rowOf(event) {
    return this.#rows.get(event)
  }

  /** The event whose line this is. */
  eventOf(line) {
    for (const [event, row] of this.#rows) if (row.line === line) return event
    return null
  }

  /** Index of the first row in sight. */
  get first() {
    return this.#geometry.indexAt(this.#box.scrollTop)
  }

  /** How many rows fit into the box, less one that one reads on from. */
  get page() {
    return Math.max(1, Math.floor(this.#box.clientHeight / this.#probe.offsetHeight) - 1)
  }

  /** Draws what is shown now. The rows of `open` (drawn open) and `active` exist out of sight, too; both may be null. */
  draw({ open, active, raw }) {
    this.#measure(open, this.#openHeight || this.#probe.offsetHeight)
    const wanted = this.#wanted([open, active])
    this.#assign(wanted, open, raw)
    let position = 0
    for (const { element } of this.#rows.values()) {
      const there = this.#items.children[position++] ?? null
      if (there !== element) this.#items.insertBefore(element, there)
    }
    if (open !== null) this.#measure(open, this.#rows.get(open)?.element.offsetHeight ?? 0)
    for (const [event, index] of wanted)
      this.#rows.get(event).place(this.#geometry.topOf(index), index, this.#store.length)
    this.#items.style.height = `${this.#geometry.height}px`
  }

  /** Scrolls as little as is needed for the line of `event` to be seen. */
  reveal(event) {
    const top = this.#geometry.topOf(this.#store.indexOf(event))
    const bottom = top + this.#probe.offsetHeight
    const { scrollTop, clientHeight } = this.#box
    if (top < scrollTop) this.#box.scrollTop = top
    else if (bottom > scrollTop + clientHeight) this.#box.scrollTop = bottom - clientHeight
  }

  #measure(open, openHeight) {
    this.#openHeight = openHeight
    this.#geometry = new RowGeometry({
      count: this.#store.length,
      rowHeight: this.#probe.offsetHeight,
      openIndex: this.#store.indexOf(open),
      openHeight,
    })
  }

  /** Event -> index, in the order of the list. */
  #wanted(always) {
    const { scrollTop, clientHeight } = this.#box
    const first = Math.max(0, this.#geometry.indexAt(scrollTop) - OVERSCAN)
    const last = Math.min(this.#store.length - 1, this.#geometry.indexAt(scrollTop + clientHeight) + OVERSCAN)
    const indices = new Set(always.map((event) => this.#store.indexOf(event)))
    for (let index = first; index <= last; index++) indices.add(index)
    indices.delete(-1)
    return new Map([...indices].sort((a, b) => a - b).map((index) => [this.#store.at(index), index]))
  }

  /** Rows whose events are out of sight show those that have come into it: text changes, elements stay. */
  #assign(wanted, open, raw) {
    const free = [...this.#rows].filter(([event]) => !wanted.has(event)).map(([, row]) => row)
    const rows = new Map()
    for (const event of wanted.keys()) {
      const known = this.#rows.get(event)
      const row = known ?? free.shift() ?? new EventRow()
      if (known === undefined) row.show(event)
      if (known === undefined && event === open) row.open(true, raw)
      rows.set(event, row)
    }
    for (const { element } of free) element.remove()
    this.#rows = rows
  }
}
