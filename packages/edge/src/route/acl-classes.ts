import { type CompiledAcl, compileAcl } from '@wazo-websocketd/shared/domain/acl/acl'

/** The class of all sessions whose tokens have the same ACL list. */
export class AclClass {
  /** Never used for another list, so that remembered decisions are not mixed up. */
  readonly id: number
  readonly acl: readonly string[]
  readonly compiled: CompiledAcl
  /** How many indexed sessions are of this class. */
  sessions = 0
  /** Number of the last event that was decided for the whole class (`AclDecision.eventId`), and the decision. */
  lastEventId = 0
  lastDecision = false

  constructor(id: number, acl: readonly string[]) {
    this.id = id
    this.acl = acl
    this.compiled = compileAcl(acl)
  }

  /** Whether `acl` is this class's list. */
  equals(acl: readonly string[]): boolean {
    if (acl === this.acl) return true
    return acl.length === this.acl.length && acl.every((pattern, i) => pattern === this.acl[i])
  }
}

/** Finds the class of an ACL list: sessions with the same list share it, as long as one of them is indexed. */
export class AclClasses {
  private readonly byHash = new Map<number, AclClass[]>()
  /** Lists met before, so that a token's list is compared once; an entry lasts as long as its list. */
  private readonly known = new WeakMap<readonly string[], AclClass>()
  private lastId = 0

  /** How many classes have indexed sessions. */
  get size(): number {
    let size = 0
    for (const classes of this.byHash.values()) size += classes.length
    return size
  }

  /** Returns the class of `acl`, whether or not an indexed session has it. */
  find(acl: readonly string[]): AclClass {
    const known = this.known.get(acl)
    if (known !== undefined && known.sessions > 0) return known
    const shared = this.byHash.get(hashOf(acl))?.find((candidate) => candidate.equals(acl))
    const found = shared ?? known ?? new AclClass(++this.lastId, acl)
    this.known.set(acl, found)
    return found
  }

  /** Returns the class of `acl`, with one more session in it. */
  retain(acl: readonly string[]): AclClass {
    const found = this.find(acl)
    if (found.sessions === 0) {
      const hash = hashOf(acl)
      const classes = this.byHash.get(hash)
      if (classes === undefined) this.byHash.set(hash, [found])
      else classes.push(found)
    }
    found.sessions++
    return found
  }

  /** Takes one session out of `aclClass`. */
  release(aclClass: AclClass): void {
    if (--aclClass.sessions > 0) return
    const hash = hashOf(aclClass.acl)
    const others = (this.byHash.get(hash) ?? []).filter((other) => other !== aclClass)
    if (others.length > 0) this.byHash.set(hash, others)
    else this.byHash.delete(hash)
  }
}

/** Hashes (FNV-1a) the lengths and a few characters of each pattern: equal lists have equal hashes. */
function hashOf(acl: readonly string[]): number {
  let hash = 0x811c9dc5
  for (const pattern of acl) {
    const { length } = pattern
    hash = Math.imul(hash ^ length, 0x01000193)
    hash = Math.imul(hash ^ pattern.charCodeAt(length - 1), 0x01000193)
    hash = Math.imul(hash ^ pattern.charCodeAt(length >> 1), 0x01000193)
  }
  return hash
}
