/** Asks for another token: one for a session that runs, or one instead of a token that is of no use any more. */

export class TokenForm {
  #form
  #field
  #title
  #submit
  #answer = () => {}

  /** `form`: with a field, a title, a button that submits and one that cancels. */
  constructor({ form, field, title, submit, cancel }) {
    this.#form = form
    this.#field = field
    this.#title = title
    this.#submit = submit
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#end(field.value.trim())
    })
    cancel.addEventListener('click', () => this.#end(null))
    form.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') this.#end(null)
    })
  }

  /** The promise of a token, or null if there is none. What was asked before is answered with null. */
  ask(title, submit) {
    this.#answer(null)
    this.#title.textContent = title
    this.#submit.textContent = submit
    this.#form.hidden = false
    return new Promise((resolve) => (this.#answer = resolve))
  }

  focus() {
    this.#field.focus()
  }

  /** Asks no more. */
  close() {
    this.#end(null)
  }

  #end(token) {
    this.#form.hidden = true
    this.#field.value = ''
    this.#answer(token)
    this.#answer = () => {}
  }
}
