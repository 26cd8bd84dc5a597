/** Draws the rate of the last minute: one bar for each second, the newest on the right. */

const HEIGHT = 100

export class RateGraph {
  #svg
  #path
  #most

  /** `svg`: with a `path` in it, one unit wide for each second and 100 high; `most`: where the top of the scale is told. */
  constructor(svg, most) {
    this.#svg = svg
    this.#path = svg.querySelector('path')
    this.#most = most
  }

  /** `seconds`: counts, the oldest first. */
  draw(seconds) {
    const most = Math.max(1, ...seconds)
    this.#path.setAttribute('d', barsOf(seconds, most))
    this.#most.textContent = `at most ${most.toLocaleString('en')} per second`
    this.#svg.setAttribute(
      'aria-label',
      `Events per second in the last minute: ${seconds.at(-1)} now, ${most} at most`,
    )
  }
}

function barsOf(seconds, most) {
  return seconds
    .map((count, at) =>
      count === 0 ? '' : `M${at} ${HEIGHT}v${-((count / most) * HEIGHT).toFixed(1)}h.8V${HEIGHT}z`,
    )
    .join('')
}
