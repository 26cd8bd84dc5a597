/* global document, requestAnimationFrame */
/** The list of events: newest first, bounded, filtered, paused on demand; drawn once per frame. */
import { prettyJson } from './json-text.js'

const ROWS_MAX = 500
const SNIPPET_CHARACTERS = 240

export class EventList {
  #list
  #note
  #waiting = []
  #shown = []
  #filter = ''
  #pretty = true
  #paused = false
  #skipped = 0
  #drawing = false

  constructor(list, note) {
    this.#list = list
    this.#note = note
  }

  /** Adds an event: `body` is its exact text, `parsed` its value (undefined or null when it is not an object). */
  add(body, parsed) {
    this.#waiting.push({ body, parsed, at: new Date() })
    if (this.#waiting.length > ROWS_MAX) {
      this.#waiting.shift()
      this.#skipped++
    }
    this.#drawSoon()
  }

  set filter(text) {
    this.#filter = text.trim().toLowerCase()
    for (const row of this.#shown) row.element.hidden = !this.#matches(row)
    this.#describe()
  }

  set pretty(on) {
    this.#pretty = on
    for (const row of this.#shown) if (row.details.open) this.#fill(row)
  }

  set paused(on) {
    this.#paused = on
    this.#drawSoon()
  }

  clear() {
    this.#waiting = []
    this.#shown = []
    this.#skipped = 0
    this.#list.replaceChildren()
    this.#describe()
  }

  #drawSoon() {
    if (this.#drawing) return
    this.#drawing = true
    requestAnimationFrame(() => {
      this.#drawing = false
      if (!this.#paused) this.#draw()
      this.#describe()
    })
  }

  #draw() {
    const rows = this.#waiting.map((event) => this.#row(event)).reverse()
    this.#waiting = []
    this.#skipped = 0
    this.#list.prepend(...rows.map(({ element }) => element))
    this.#shown.unshift(...rows)
    for (const { element } of this.#shown.splice(ROWS_MAX)) element.remove()
  }

  #row({ body, parsed, at }) {
    const name = typeof parsed?.name === 'string' ? parsed.name : '(no name)'
    const details = create('details')
    const summary = create('summary')
    const time = create('time', clock(at))
    time.dateTime = at.toISOString()
    summary.append(time, nameOf(name), create('span', snippetOf(body, parsed), 'snippet'))
    const pre = create('pre')
    pre.tabIndex = 0
    details.append(summary, pre)
    const element = create('li', '', 'event fresh')
    element.append(details)
    const row = { element, details, pre, body, text: body.toLowerCase() }
    details.addEventListener('toggle', () => this.#fill(row))
    element.hidden = !this.#matches(row)
    return row
  }

  #fill({ details, pre, body }) {
    pre.textContent = details.open ? (this.#pretty ? prettyJson(body) : body) : ''
  }

  #matches({ text }) {
    return text.includes(this.#filter)
  }

  #describe() {
    const parts = []
    if (this.#paused) parts.push(`Paused: ${this.#waiting.length + this.#skipped} waiting.`)
    if (this.#filter !== '')
      parts.push(`${this.#visible()} of ${this.#shown.length} events match the filter.`)
    else if (this.#shown.length >= ROWS_MAX) parts.push(`The last ${ROWS_MAX} events.`)
    if (this.#shown.length === 0 && !this.#paused)
      parts.push('Events appear here as they come, the newest first.')
    this.#note.textContent = parts.join(' ')
  }

  #visible() {
    return this.#shown.filter(({ element }) => !element.hidden).length
  }
}

function create(tag, text = '', className = '') {
  const element = document.createElement(tag)
  if (text !== '') element.textContent = text
  if (className !== '') element.className = className
  return element
}

/** The name, which may break into lines after an underscore only. */
function nameOf(name) {
  const element = create('span', '', 'name')
  for (const part of name.split(/(?<=_)/)) element.append(part, create('wbr'))
  return element
}

/** What is particular to the event: its `data` if it has one, else all of it. */
function snippetOf(body, parsed) {
  const text = parsed?.data === undefined ? body : JSON.stringify(parsed.data)
  return text.length > SNIPPET_CHARACTERS ? text.slice(0, SNIPPET_CHARACTERS) + '…' : text
}

function clock(at) {
  const two = (number) => String(number).padStart(2, '0')
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`
}
