/* global TextEncoder */
/** The numbers above the list. */

const RATE_WINDOW_S = 5
const NAMES_MAX = 10_000

export class Counters {
  #cells
  #events = 0
  #bytes = 0
  #reconnects = 0
  #names = new Set()
  #perSecond = new Array(RATE_WINDOW_S).fill(0)

  /** `cells`: the elements that show events, rate, names, bytes, ping and reconnects. */
  constructor(cells) {
    this.#cells = cells
    setInterval(() => this.#second(), 1000)
  }

  event(body, name) {
    this.#events++
    this.#bytes += new TextEncoder().encode(body).length
    this.#perSecond[0]++
    if (this.#names.size < NAMES_MAX) this.#names.add(name)
  }

  reconnect() {
    this.#cells.reconnects.textContent = String(++this.#reconnects)
  }

  roundTrip(ms) {
    this.#cells.ping.textContent = ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`
  }

  draw() {
    this.#cells.events.textContent = this.#events.toLocaleString('en')
    this.#cells.names.textContent = String(this.#names.size)
    this.#cells.bytes.textContent = inBytes(this.#bytes)
  }

  #second() {
    const rate = this.#perSecond.reduce((sum, count) => sum + count, 0) / RATE_WINDOW_S
    this.#cells.rate.textContent = rate >= 10 ? String(Math.round(rate)) : String(Math.round(rate * 10) / 10)
    this.#perSecond.pop()
    this.#perSecond.unshift(0)
    this.draw()
  }
}

function inBytes(bytes) {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
}
