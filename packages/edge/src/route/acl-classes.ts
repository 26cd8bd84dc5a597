import { type CompiledAcl, compileAcl } from '@wazo-websocketd/shared/domain/acl/acl'
import { digest } from '@wazo-websocketd/shared/runtime/digest'

/** Groups all sessions whose tokens have the same ACL list. */
export class AclClass {
  /** Never used for another list, so that remembered decisions are not mixed up. */
  readonly id: number
  /** See the function `aclKey`. */
  readonly key: string
  readonly acl: readonly string[]
  readonly compiled: CompiledAcl
  /** How many indexed sessions are of this class. */
  sessions = 0
  /** Number of the last event that was decided for the whole class (`AclDecision.eventId`), and the decision. */
  lastEventId = 0
  lastDecision = false

  constructor(id: number, key: string, acl: readonly string[]) {
    this.id = id
    this.key = key
    this.acl = acl
    this.compiled = compileAcl(acl)
  }
}

/** Finds the class of an ACL list: sessions with the same list share it, as long as one of them is indexed. */
export class AclClasses {
  private readonly indexed = new Map<string, AclClass>()
  /** Lists met before, so that a token's list is read once; an entry lasts as long as its list. */
  private readonly known = new WeakMap<readonly string[], AclClass>()
  private lastId = 0

  /** How many classes have indexed sessions. */
  get size(): number {
    return this.indexed.size
  }

  /** Returns the class of `acl`, whether or not an indexed session has it. */
  find(acl: readonly string[]): AclClass {
    const known = this.known.get(acl)
    if (known !== undefined && known.sessions > 0) return known
    const key = known?.key ?? aclKey(acl)
    const found = this.indexed.get(key) ?? known ?? new AclClass(++this.lastId, key, acl)
    if (found !== known) this.known.set(acl, found)
    return found
  }

  /** Returns the class of `acl`, with one more session in it. */
  retain(acl: readonly string[]): AclClass {
    const found = this.find(acl)
    if (found.sessions++ === 0) this.indexed.set(found.key, found)
    return found
  }

  /** Takes one session out of `aclClass`. */
  release(aclClass: AclClass): void {
    if (--aclClass.sessions === 0) this.indexed.delete(aclClass.key)
  }
}

/**
 * Equal for equal lists only. It covers every character, and nobody can make two lists with one key: however many
 * lists there are, and whoever wrote them, finding one costs no comparison with others.
 */
function aclKey(acl: readonly string[]): string {
  return digest(JSON.stringify(acl))
}
