import { type CompiledAcl, compileAcl } from '@wazo-websocketd/shared/domain/acl/acl'

/** The sessions whose tokens carry the same ACL list. */
export class AclClass {
  /** Never used for another list, so that remembered decisions cannot be mistaken. */
  readonly id: number
  readonly acl: readonly string[]
  readonly compiled: CompiledAcl
  /** How many sessions of the registry are of this class. */
  sessions = 0
  /** The last event that was decided for the whole class, by the judge's count, and how. */
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
