/** Events per second, over the last minute. */

export const RATE_SECONDS = 60
const MEAN_OF_S = 5

export class Rate {
  #current = 0
  #seconds = new Array(RATE_SECONDS).fill(0)

  /** Counts an event. */
  add() {
    this.#current++
  }

  /** Ends a second. */
  tick() {
    this.#seconds.shift()
    this.#seconds.push(this.#current)
    this.#current = 0
  }

  /** The counts of whole seconds, the oldest first. */
  get seconds() {
    return this.#seconds
  }

  /** The mean of the last five seconds. */
  get mean() {
    return this.#seconds.slice(-MEAN_OF_S).reduce((sum, count) => sum + count, 0) / MEAN_OF_S
  }
}
