import type { Subscriptions } from '../route/recipient.js'

/** Up to so many names are searched one by one, which takes a third of a set's memory. */
const FEW_MAX = 8
const NONE: string[] = []

/** Holds the event names that one session is subscribed to, in the order in which it named them. */
export class SubscriptionSet implements Subscriptions {
  private names: string[] | Set<string> = NONE

  get size(): number {
    return this.names instanceof Set ? this.names.size : this.names.length
  }

  has(name: string): boolean {
    return this.names instanceof Set ? this.names.has(name) : this.names.includes(name)
  }

  add(name: string): void {
    const { names } = this
    if (names instanceof Set) names.add(name)
    else if (names.includes(name)) return
    else if (names.length < FEW_MAX) this.names = [...names, name]
    else this.names = new Set(names).add(name)
  }

  [Symbol.iterator](): Iterator<string> {
    return this.names[Symbol.iterator]()
  }
}
