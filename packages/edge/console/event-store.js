/**
 * The events that the list can show: the last ones, bounded in number and size. What is shown is a picture of one
 * moment, and stays as it is until the next `show`, so that nothing moves under the reader.
 */

export const EVENTS_MAX = 5000
const CHARACTERS_MAX = 32 * 1024 * 1024

export class EventStore {
  /** All that is kept, and what of it matches the filter: the oldest first. */
  #kept = []
  #matching = []
  /** The same at the last `show`. */
  #picture = []
  #shown = []
  #filter = ''
  #characters = 0
  #behind = 0
  #dropped = 0

  /** Adds an event: `{ n, at, name, text, bytes }` with a number `n` that rises. */
  add(event) {
    this.#kept.push(event)
    this.#characters += event.text.length
    if (this.#matches(event)) {
      this.#matching.push(event)
      this.#behind++
    }
    while (this.#kept.length > EVENTS_MAX || (this.#characters > CHARACTERS_MAX && this.#kept.length > 1))
      this.#drop()
  }

  /** Shows what is kept now. */
  show() {
    this.#picture = this.#kept.slice()
    this.#shown = this.#matching.slice()
    this.#behind = 0
  }

  /** Shows, and counts, only events whose text contains `text`, whatever the case. */
  set filter(text) {
    this.#filter = text.trim().toLowerCase()
    const last = this.#picture.at(-1)?.n ?? -1
    this.#matching = this.#kept.filter((event) => this.#matches(event))
    this.#shown = this.#picture.filter((event) => this.#matches(event))
    this.#behind = this.#matching.filter(({ n }) => n > last).length
  }

  get filtered() {
    return this.#filter !== ''
  }

  /** How many events are shown. */
  get length() {
    return this.#shown.length
  }

  /** How many were kept when those that are shown were chosen. */
  get total() {
    return this.#picture.length
  }

  /** How many events have come since, and would be shown. */
  get behind() {
    return this.#behind
  }

  /** How many are not kept any more. */
  get dropped() {
    return this.#dropped
  }

  /** The shown event at `index`; 0 is the newest. */
  at(index) {
    return this.#shown[this.#shown.length - 1 - index]
  }

  /** Where a shown event stands, or -1; `event` may be null. */
  indexOf(event) {
    if (event === null) return -1
    const at = this.#shown.lastIndexOf(event)
    return at < 0 ? -1 : this.#shown.length - 1 - at
  }

  clear() {
    this.#kept = []
    this.#matching = []
    this.#characters = 0
    this.#dropped = 0
    this.show()
  }

  #drop() {
    const event = this.#kept.shift()
    this.#characters -= event.text.length
    if (this.#matching[0] === event) this.#matching.shift()
    this.#dropped++
  }

  #matches({ text }) {
    return this.#filter === '' || text.toLowerCase().includes(this.#filter)
  }
}
