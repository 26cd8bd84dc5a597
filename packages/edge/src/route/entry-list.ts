import type { IndexEntry } from './index-entry.js'

/**
 * A dense array of entries in no particular order. An entry can lie in many lists: it lies in `lists[n]` at
 * `places[n]`. Adding is O(1), removing costs no more than the lists of one entry.
 *
 * Walk it from the end (`size - 1` down to 0) and skip what `at` no longer returns: then no entry is missed when any
 * others are removed on the way; one that is moved down may be met twice.
 */
export class EntryList {
  /** Number of the last event that this list is an audience of (`Router.eventId`). */
  lastEventId = 0
  private readonly owner: Map<string, EntryList> | null
  private readonly key: string
  private entries: IndexEntry[] = []

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
    return this.entries.length
  }

  at(place: number): IndexEntry | undefined {
    return this.entries[place]
  }

  /** Adds `entry`, which must not be in this list. */
  add(entry: IndexEntry): void {
    entry.lists.push(this)
    entry.places.push(this.entries.length)
    // Most users have one session, and an array that grows takes room for 17.
    if (this.entries.length === 0) this.entries = [entry]
    else this.entries.push(entry)
  }

  /** Takes out the entry at `place`, whose own `lists` are left as they are; the last entry moves to its place. */
  removeAt(place: number): void {
    const last = this.entries.pop()
    if (last === undefined) return
    if (this.entries.length === 0) this.owner?.delete(this.key)
    if (place === this.entries.length) return
    this.entries[place] = last
    last.places[last.lists.indexOf(this)] = place
  }
}
