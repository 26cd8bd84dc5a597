/* global document, ResizeObserver */
/**
 * The list of events, newest first. It is drawn ten times a second at most, and less often when drawing takes long. While
 * a reader looks at something (a row is open, has the focus of the keyboard, or the list is scrolled), or has paused it,
 * the list is held: it stays as it is, and tells how many events it is behind.
 */
import { RowWindow } from './row-window.js'

const DRAW_EVERY_MS = 100
/** Drawing takes this share of the time at most. */
const DRAW_SHARE = 0.2

export class EventList {
  #box
  #store
  #window
  #onDrawn
  /** Why the list is held: `paused`, `scrolled`, `open`, `active`. */
  #held = new Set()
  /** The event whose row is open, and the one whose row has the focus; or null. */
  #open = null
  #active = null
  #raw = false
  #timer = null
  #drawnAt = -Infinity
  #restMs = DRAW_EVERY_MS

  /** `parts`: as `RowWindow` has them; `onDrawn`: called after each drawing, and when the list is held or released. */
  constructor(parts, store, onDrawn) {
    const { box, items } = parts
    this.#box = box
    this.#store = store
    this.#window = new RowWindow(parts, store)
    this.#onDrawn = onDrawn
    box.addEventListener('scroll', () => this.#scrolled(), { passive: true })
    items.addEventListener('click', ({ target }) => this.#clicked(target))
    items.addEventListener('focusout', ({ relatedTarget }) => {
      if (document.hasFocus() && !items.contains(relatedTarget)) this.#hold('active', false)
    })
    new ResizeObserver(() => this.#drawRows()).observe(box)
  }

  /** Draws soon: something has arrived. */
  changed() {
    const wait = Math.max(0, this.#drawnAt + this.#restMs - performance.now())
    this.#timer ??= setTimeout(() => this.#draw(), wait)
  }

  /** After another filter, or after everything was cleared: the same moment, other rows. */
  chosenAnew() {
    if (this.#store.indexOf(this.#open) < 0) this.#toggle(null)
    if (this.#store.indexOf(this.#active) < 0) this.#hold('active', false)
    this.#drawRows()
    this.changed()
  }

  get held() {
    return this.#held.size > 0
  }

  get paused() {
    return this.#held.has('paused')
  }

  set paused(on) {
    this.#hold('paused', on)
  }

  /** Back to the newest event, and to what arrives. */
  newest() {
    this.#toggle(null)
    this.#held.clear()
    this.#active = null
    this.#box.scrollTop = 0
    this.#draw()
  }

  /** Gives the focus to another row, `by` rows further down; the first time to the first one in sight. */
  move(by) {
    if (this.#store.length === 0) return
    const from = this.#active === null ? -1 : this.#store.indexOf(this.#active)
    const index = from < 0 && Number.isFinite(by) ? this.#window.first : from + by
    this.#focus(this.#store.at(Math.max(0, Math.min(this.#store.length - 1, index))))
  }

  /** The same by as many rows as fit into the box. */
  movePages(by) {
    this.move(by * this.#window.page)
  }

  /** Closes the open row; without one, back to the newest event. */
  back() {
    if (this.#open !== null) {
      this.#focus(this.#open)
      return this.#toggle(null)
    }
    this.#box.focus({ preventScroll: true })
    this.newest()
  }

  /** The open event indented, or exactly as it was sent; so are those that are opened later. */
  toggleRaw() {
    this.#raw = !this.#raw
    this.#window.rowOf(this.#open)?.open(true, this.#raw)
    this.#drawRows()
  }

  /** Copies the open event. */
  copy() {
    void this.#window.rowOf(this.#open)?.copy()
  }

  #clicked(target) {
    if (target.closest('.raw')) return this.toggleRaw()
    if (target.closest('.copy')) return this.copy()
    const line = target.closest('.line')
    if (line === null) return
    const event = this.#window.eventOf(line)
    this.#toggle(event === this.#open ? null : event)
    // A mouse that closes a row is done with it; the keyboard goes on from there.
    if (this.#open === null && this.#active === null) this.#box.focus({ preventScroll: true })
  }

  #toggle(event) {
    this.#window.rowOf(this.#open)?.open(false)
    this.#open = event
    this.#window.rowOf(event)?.open(true, this.#raw)
    this.#hold('open', event !== null)
    this.#drawRows()
  }

  #focus(event) {
    this.#active = event
    this.#hold('active', true)
    this.#drawRows()
    this.#window.reveal(event)
    this.#window.rowOf(event).line.focus({ preventScroll: true })
  }

  #scrolled() {
    this.#hold('scrolled', this.#box.scrollTop > 0)
    this.#drawRows()
  }

  #hold(reason, on) {
    if (reason === 'active' && !on) this.#active = null
    if (on === this.#held.has(reason)) return
    if (on) this.#held.add(reason)
    else this.#held.delete(reason)
    this.#onDrawn()
    if (!this.held) this.changed()
  }

  #draw() {
    clearTimeout(this.#timer)
    this.#timer = null
    const begin = performance.now()
    if (!this.held) {
      this.#store.show()
      this.#drawRows()
    }
    this.#onDrawn()
    this.#drawnAt = performance.now()
    this.#restMs = Math.max(DRAW_EVERY_MS, (this.#drawnAt - begin) / DRAW_SHARE)
  }

  #drawRows() {
    this.#window.draw({ open: this.#open, active: this.#active, raw: this.#raw })
  }
}
