/** What became of the connection, with times and reasons; the newest first. It outlives every connection of the page. */
import { element, showTime } from './element.js'

const ENTRIES_MAX = 200

export class ConnectionLog {
  #list
  #count

  /** `list`: an `ol`; `count`: the element that tells how many entries there are. */
  constructor(list, count) {
    this.#list = list
    this.#count = count
  }

  /** Adds an entry; `state` is that of the connection, or empty for what does not change it. */
  add(state, text) {
    const entry = element('li', '', 'entry')
    entry.dataset.state = state
    const time = element('time')
    showTime(time, new Date())
    entry.append(time, element('span', text))
    this.#list.prepend(entry)
    while (this.#list.children.length > ENTRIES_MAX) this.#list.lastElementChild.remove()
    this.#count.textContent = String(this.#list.children.length)
  }
}

/** A time span in words, of two units at most. */
export function inWords(ms) {
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
