import type { IndexEntry } from './index-entry.js'

/**
 * Holds entries in a dense array, in no particular order. An entry can lie in many lists: it lies in `lists[n]` at
 * `indexes[n]`. Adding to a list and removing from it are O(1).
 *
 * Walk it from the end (`size - 1` down to 0) and skip what `at` no longer returns: then no entry is missed when any
 * others are removed on the way; one that is moved down may be met twice.
 */
export class EntryList {
  /** Number of the last event that this list is an audience of (`Router.eventId`). */
  lastEventId = 0
  private readonly owner: Map<string, EntryList> | null
  private readonly key: string
  /** Each entry, followed by its `n` for this list. In one array, because most users have one session. */
  private slots: (IndexEntry | number)[] = []

  /** Makes a list that is the value of `key` in `owner` as long as it is not empty. */
  constructor(owner: Map<string, EntryList> | null, key: string) {
    this.owner = owner
    this.key = key
  }

  /** Returns the list called `key` in `owner`; makes it when there is none. */
  static in(owner: Map<string, EntryList>, key: string): EntryList {
    let list = owner.get(key)
    if (list === undefined) owner.set(key, (list = new EntryList(owner, key)))
    return list
  }

  get size(): number {
    return this.slots.length / 2
  }

  at(place: number): IndexEntry | undefined {
    return this.slots[2 * place] as IndexEntry | undefined
  }

  /** Adds `entry`, which must not be in this list. */
  add(entry: IndexEntry): void {
    const n = entry.lists.length
    entry.lists.push(this)
    entry.indexes.push(this.size)
    // Most users have one session, and an array that grows takes room for 17 more.
    if (this.slots.length === 0) this.slots = [entry, n]
    else this.slots.push(entry, n)
  }

  /** Takes out the entry at `place`, whose own `lists` are left as they are; the last entry moves to its place. */
  removeAt(place: number): void {
    const { slots } = this
    if (slots.length === 0) return
    const n = slots.pop() as number
    const last = slots.pop() as IndexEntry
    if (slots.length === 0) this.owner?.delete(this.key)
    if (place === this.size) return
    slots[2 * place] = last
    slots[2 * place + 1] = n
    last.indexes[n] = place
  }
}
