/** The state of the connection, and what there is to say about it. */

export class StatusLine {
  #state
  #text
  #countdown
  #notice
  #timer = null

  /** The elements that show the state, its name, the seconds until the next try, and a notice. */
  constructor({ state, text, countdown, notice }) {
    this.#state = state
    this.#text = text
    this.#countdown = countdown
    this.#notice = notice
  }

  /** `state`: `closed`, `connecting`, `live`, `waiting` or `refused`; `text`: its name. */
  show(state, text) {
    clearInterval(this.#timer)
    this.#state.dataset.state = state
    this.#text.textContent = text
    this.#countdown.textContent = ''
  }

  /** The same, with a countdown of `ms`. It stands outside the live region: nobody wants to hear every second. */
  wait(text, ms) {
    const until = Date.now() + ms
    const say = () => {
      this.#countdown.textContent = `in ${Math.max(1, Math.ceil((until - Date.now()) / 1000))} s`
    }
    this.show('waiting', text)
    say()
    this.#timer = setInterval(say, 1000)
  }

  /** Empty: nothing to say. */
  set notice(text) {
    this.#notice.textContent = text
    this.#notice.hidden = text === ''
  }
}
