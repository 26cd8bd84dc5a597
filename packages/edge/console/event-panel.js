/* global document, TextEncoder */
/** The events, with what stands above them: filter, buttons, the note of what is shown, and the keys of the list. */
import { EventList } from './event-list.js'
import { EVENTS_MAX, EventStore } from './event-store.js'
import { Sampler } from './sampler.js'

const byId = (id) => document.getElementById(id)
const encoder = new TextEncoder()
const counted = (number) => number.toLocaleString('en')

export class EventPanel {
  #store = new EventStore()
  #sampler = new Sampler()
  #list
  #number = 0
  #behind = byId('behind')
  #pause = byId('pause')
  #note = byId('list-note')

  constructor() {
    const parts = { box: byId('list'), items: byId('events'), probe: byId('row-probe') }
    this.#list = new EventList(parts, this.#store, () => this.#describe())
    byId('filter').addEventListener('input', ({ target }) => {
      this.#store.filter = target.value
      this.#list.chosenAnew()
    })
    byId('clear').addEventListener('click', () => this.#clear())
    byId('newest').addEventListener('click', () => this.#list.newest())
    this.#pause.addEventListener('click', () => this.#togglePause())
    parts.box.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return
      // Within the text of an event keys scroll it.
      if (event.target.tagName === 'PRE' && event.key !== 'Escape') return
      const act = this.#keys[event.key.length === 1 ? event.key.toLowerCase() : event.key]
      if (act === undefined) return
      event.preventDefault()
      act()
    })
  }

  /** Takes an event: its name and its text, exactly as it was sent. Returns its size in bytes. */
  add(name, text) {
    const bytes = encoder.encode(text).length
    const event = { n: this.#number++, at: new Date(), name, text, bytes }
    this.#sampler.run(() => this.#store.add(event))
    this.#list.changed()
    return bytes
  }

  /** What a key does while the list has the focus. Single letters work nowhere else. */
  #keys = Object.assign(Object.create(null), {
    ArrowDown: () => this.#list.move(1),
    ArrowUp: () => this.#list.move(-1),
    PageDown: () => this.#list.movePages(1),
    PageUp: () => this.#list.movePages(-1),
    Home: () => this.#list.move(-Infinity),
    End: () => this.#list.move(Infinity),
    Escape: () => this.#list.back(),
    r: () => this.#list.toggleRaw(),
    c: () => this.#list.copy(),
    p: () => this.#togglePause(),
    '/': () => byId('filter').focus(),
  })

  #togglePause() {
    this.#list.paused = !this.#list.paused
  }

  #clear() {
    this.#store.clear()
    this.#sampler.reset()
    this.#list.chosenAnew()
  }

  #describe() {
    const { paused, held } = this.#list
    const { behind } = this.#store
    this.#pause.setAttribute('aria-pressed', String(paused))
    this.#pause.textContent = paused ? 'Resume' : 'Pause'
    this.#behind.hidden = !held
    byId('behind-count').textContent = `${paused ? 'Paused, b' : 'B'}ehind by ${counted(behind)}`
    this.#note.textContent = this.#sentences().join(' ')
  }

  #sentences() {
    const { length, total, filtered, dropped } = this.#store
    const { skipped } = this.#sampler
    const sentences = []
    if (filtered) sentences.push(`${counted(length)} of ${counted(total)} events match the filter.`)
    if (dropped > 0)
      sentences.push(`The last ${counted(EVENTS_MAX)} are kept, ${counted(dropped)} older ones dropped.`)
    if (skipped > 0) sentences.push(`${counted(skipped)} came too fast to be listed; they are counted.`)
    if (total === 0 && sentences.length === 0)
      sentences.push('Events appear here as they come, the newest first.')
    return sentences
  }
}
