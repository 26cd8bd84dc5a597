/** The numbers above the list, and the graph of the rate. */
import { inBytes } from './event-facts.js'
import { RateGraph } from './rate-graph.js'
import { Rate } from './rate.js'

const NAMES_MAX = 10_000

export class Counters {
  #cells
  #graph
  #rate = new Rate()
  #events = 0
  #bytes = 0
  #reconnects = 0
  #names = new Set()

  /**
   * `cells`: the elements that show events, rate, names, bytes, ping and reconnects, and `graph` and `most` as `RateGraph`
   * has them.
   */
  constructor(cells) {
    this.#cells = cells
    this.#graph = new RateGraph(cells.graph, cells.most)
    setInterval(() => this.#second(), 1000)
  }

  event(name, bytes) {
    this.#events++
    this.#bytes += bytes
    this.#rate.add()
    if (this.#names.size < NAMES_MAX) this.#names.add(name)
  }

  reconnect() {
    this.#cells.reconnects.textContent = String(++this.#reconnects)
  }

  roundTrip(ms) {
    this.#cells.ping.textContent = inMilliseconds(ms)
  }

  #second() {
    this.#rate.tick()
    const { mean, seconds } = this.#rate
    this.#cells.rate.textContent =
      mean >= 10 ? Math.round(mean).toLocaleString('en') : String(Math.round(mean * 10) / 10)
    this.#cells.events.textContent = this.#events.toLocaleString('en')
    this.#cells.names.textContent = String(this.#names.size)
    this.#cells.bytes.textContent = inBytes(this.#bytes)
    this.#graph.draw(seconds)
  }
}

/** `ms` with as many digits as matter. */
export function inMilliseconds(ms) {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`
}
