/**
 * Keeps the page's own work within a share of its time: what comes beyond it is counted, and not done. A page that does
 * everything at any price does not read its socket any more, and the server cuts it as a slow consumer.
 */

const WINDOW_MS = 100
const SHARE = 0.5

export class Sampler {
  #now
  #windowEnds = 0
  #spentMs = 0
  #skipped = 0

  /** `now`: a clock in milliseconds. */
  constructor(now = () => performance.now()) {
    this.#now = now
  }

  /** How often work was not done. */
  get skipped() {
    return this.#skipped
  }

  /** Does `work`, unless there is no time left for it in this tenth of a second. Returns whether it did. */
  run(work) {
    const begin = this.#now()
    if (begin >= this.#windowEnds) {
      this.#windowEnds = begin + WINDOW_MS
      this.#spentMs = 0
    }
    if (this.#spentMs >= WINDOW_MS * SHARE) {
      this.#skipped++
      return false
    }
    work()
    this.#spentMs += this.#now() - begin
    return true
  }

  reset() {
    this.#skipped = 0
  }
}
