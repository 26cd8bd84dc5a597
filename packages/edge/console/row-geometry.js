/** Where rows stand in the list: all of one height, but for the one that is open. All lengths are pixels. */
export class RowGeometry {
  #count
  #rowHeight
  #openIndex
  #extra

  /** `openIndex`: of the open row, -1 for none; `openHeight`: its height. */
  constructor({ count, rowHeight, openIndex, openHeight }) {
    this.#count = count
    this.#rowHeight = rowHeight
    this.#openIndex = openIndex
    this.#extra = openIndex < 0 ? 0 : openHeight - rowHeight
  }

  /** The height of the whole list. */
  get height() {
    return this.topOf(this.#count)
  }

  /** The upper edge of the row at `index`. */
  topOf(index) {
    return index * this.#rowHeight + (this.#openIndex >= 0 && index > this.#openIndex ? this.#extra : 0)
  }

  /** The row at the height `y`, which may be above or below the list. */
  indexAt(y) {
    const last = this.#count - 1
    const below = this.#openIndex >= 0 && y >= this.topOf(this.#openIndex) + this.#rowHeight
    const index = below
      ? Math.max(this.#openIndex, Math.floor((y - this.#extra) / this.#rowHeight))
      : Math.floor(y / this.#rowHeight)
    return Math.max(0, Math.min(last, index))
  }
}
