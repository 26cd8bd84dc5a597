/* global document, getSelection, navigator */
/** One row of the list: a line that opens, and what is under it. It shows one event after the other. */
import { element, showTime } from './element.js'
import { factsOf, inBytes, shortened } from './event-facts.js'
import { prettyJson } from './json-text.js'

const COPIED_MS = 1500

export class EventRow {
  /** The `li`. */
  element = element('li', '', 'event')
  /** The line, which has the focus. */
  line = element('button', '', 'line')
  #parts = {
    time: element('time'),
    name: element('span', '', 'name'),
    snippet: element('span', '', 'snippet'),
    whose: element('span', '', 'whose'),
    size: element('span', '', 'size'),
  }
  #event
  #facts
  #detail = null
  #pre = null

  constructor() {
    this.line.type = 'button'
    this.line.tabIndex = -1
    this.#parts.snippet.ariaHidden = 'true' // The whole event is under the line.
    this.line.append(...Object.values(this.#parts))
    this.element.append(this.line)
  }

  /** Shows another event, closed. */
  show(event) {
    const { time, name, snippet, whose, size } = this.#parts
    this.#event = event
    this.#facts = factsOf(event.text)
    const owners = [this.#facts.tenant, ...this.#facts.users.slice(0, 1)]
    showTime(time, event.at)
    name.textContent = event.name
    snippet.textContent = this.#facts.snippet
    whose.textContent = owners
      .filter((text) => text !== '')
      .map(shortened)
      .join(' · ')
    size.textContent = inBytes(event.bytes)
    this.open(false)
  }

  /** Stands at the height `top`, in pixels, as the row `index` of `count`. */
  place(top, index, count) {
    this.element.style.transform = `translateY(${top}px)`
    this.element.setAttribute('aria-posinset', String(index + 1))
    this.element.setAttribute('aria-setsize', String(count))
  }

  /** Shows or hides what is under the line; `raw`: exactly as it was sent. */
  open(on, raw = false) {
    this.line.setAttribute('aria-expanded', String(on))
    if (!on) {
      this.#detail?.remove()
      this.#detail = null
      return
    }
    if (this.#detail === null) this.#build()
    this.#pre.textContent = raw ? this.#event.text : prettyJson(this.#event.text)
    this.#detail.querySelector('.raw').setAttribute('aria-pressed', String(raw))
  }

  /** Copies the event, exactly as it was sent. */
  async copy() {
    const done = await copyText(this.#event.text, this.#pre)
    const button = this.#detail?.querySelector('.copy')
    if (!button) return
    button.textContent = done ? 'Copied' : 'Not allowed here'
    setTimeout(() => (button.textContent = 'Copy'), COPIED_MS)
  }

  #build() {
    const facts = element('dl', '', 'facts')
    const { tenant, users, acl } = this.#facts
    const unsaid = 'not in the body'
    for (const [term, value] of [
      ['Tenant', tenant || unsaid],
      ['User', users.join(', ') || unsaid],
      ['Right', acl || unsaid],
      ['Size', `${this.#event.bytes.toLocaleString('en')} bytes`],
    ]) {
      const pair = element('div')
      pair.append(element('dt', term), element('dd', value))
      facts.append(pair)
    }
    const tools = element('div', '', 'tools')
    for (const [name, text] of [
      ['raw', 'Raw'],
      ['copy', 'Copy'],
    ]) {
      const button = element('button', text, name)
      button.type = 'button'
      tools.append(button)
    }
    this.#pre = element('pre')
    this.#pre.tabIndex = 0
    this.#pre.ariaLabel = 'The event'
    this.#pre.role = 'region'
    this.#detail = element('div', '', 'detail')
    this.#detail.append(facts, tools, this.#pre)
    this.element.append(this.#detail)
  }
}

/** Over plain HTTP from another machine a browser has no clipboard: then the text is selected, to be copied by hand. */
async function copyText(text, pre) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    pre.textContent = text
    getSelection().selectAllChildren(pre)
    return document.execCommand('copy')
  }
}
