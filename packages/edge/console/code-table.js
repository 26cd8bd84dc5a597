/** The table of close codes; the one that ended the connection is marked. */
import { CLOSE_CODES } from './close-codes.js'
import { element } from './element.js'

export class CodeTable {
  #body

  /** `body`: an empty `tbody`. */
  constructor(body) {
    this.#body = body
    for (const [code, meaning, then] of CLOSE_CODES) {
      const row = body.insertRow()
      const head = element('th', String(code))
      head.scope = 'row'
      row.dataset.code = String(code)
      row.append(head)
      row.insertCell().textContent = meaning
      row.insertCell().textContent = then
    }
  }

  /** `code`: null for none. */
  mark(code) {
    for (const row of this.#body.children) row.classList.toggle('current', row.dataset.code === String(code))
  }
}
