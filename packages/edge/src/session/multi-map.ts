/** Holds members by key. Most keys have one member, which then costs no set of its own. */
export class MultiMap<Member extends object> {
  private readonly members = new Map<string, Member | Set<Member>>()
  private total = 0

  /** Members of all keys together. */
  get size(): number {
    return this.total
  }

  add(key: string, member: Member): void {
    const before = this.count(key)
    const known = this.members.get(key)
    if (known === undefined) this.members.set(key, member)
    else if (known instanceof Set) known.add(member)
    else if (known !== member) this.members.set(key, new Set([known, member]))
    this.total += this.count(key) - before
  }

  remove(key: string, member: Member): void {
    const before = this.count(key)
    const known = this.members.get(key)
    if (known === member) this.members.delete(key)
    else if (known instanceof Set) {
      known.delete(member)
      if (known.size === 0) this.members.delete(key)
    }
    this.total += this.count(key) - before
  }

  /** Returns a copy: members may come and go while the caller goes through it. */
  get(key: string): readonly Member[] {
    const known = this.members.get(key)
    if (known === undefined) return []
    return known instanceof Set ? [...known] : [known]
  }

  count(key: string): number {
    const known = this.members.get(key)
    if (known === undefined) return 0
    return known instanceof Set ? known.size : 1
  }

  /** Yields the members of each key; keys and members may come and go meanwhile. */
  *each(): Generator<readonly Member[]> {
    for (const key of this.members.keys()) yield this.get(key)
  }
}
