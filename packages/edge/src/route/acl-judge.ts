import type { Identity } from '@wazo-websocketd/shared/domain/identity'
import type { AclClass } from './acl-class.js'
import { DecisionMemo } from './decision-memo.js'

/**
 * Rule 5 of the contract, section 4, for one event after the other. A decision depends on the session only
 * when its user or session uuid stands in the required ACL; all others are shared by its class.
 */
export class AclJudge {
  /** Decisions that were neither shared nor remembered, since the start. */
  evaluations = 0
  private readonly memo: DecisionMemo
  private requiredAcl: string | null = null
  private words: ReadonlySet<string> | null = null
  private event = 0

  constructor(memo: DecisionMemo) {
    this.memo = memo
  }

  /** What the next calls of `admits` are about. */
  begin(requiredAcl: string | null): void {
    this.requiredAcl = requiredAcl
    this.words = null
    this.event++
  }

  /** Whether the ACL of `aclClass`, which is that of `identity`, admits the event. */
  admits(aclClass: AclClass, identity: Identity): boolean {
    const { requiredAcl } = this
    if (requiredAcl === null) return true
    if (aclClass.compiled.personal) {
      this.words ??= new Set(requiredAcl.split('.'))
      if (concerns(this.words, requiredAcl, identity))
        return this.decidePersonally(aclClass, requiredAcl, identity)
    }
    if (aclClass.stamp !== this.event) {
      aclClass.verdict = this.decideForClass(aclClass, requiredAcl, identity)
      aclClass.stamp = this.event
    }
    return aclClass.verdict
  }

  /** The same for one session, apart from the event that `begin` named. */
  admitsOnce(requiredAcl: string | null, aclClass: AclClass, identity: Identity): boolean {
    if (requiredAcl === null) return true
    if (aclClass.compiled.personal && concerns(new Set(requiredAcl.split('.')), requiredAcl, identity))
      return this.decidePersonally(aclClass, requiredAcl, identity)
    return this.decideForClass(aclClass, requiredAcl, identity)
  }

  private decideForClass(aclClass: AclClass, requiredAcl: string, identity: Identity): boolean {
    return this.decide(`${aclClass.id} ${requiredAcl}`, aclClass, requiredAcl, identity)
  }

  private decidePersonally(aclClass: AclClass, requiredAcl: string, identity: Identity): boolean {
    const { userUuid, sessionUuid } = identity
    // The lengths keep apart what would read the same.
    const who = `${userUuid.length},${sessionUuid.length},${userUuid}${sessionUuid}`
    return this.decide(`${aclClass.id},${who}${requiredAcl}`, aclClass, requiredAcl, identity)
  }

  private decide(key: string, aclClass: AclClass, requiredAcl: string, identity: Identity): boolean {
    const known = this.memo.get(key)
    if (known !== undefined) return known
    this.evaluations++
    const decision = aclClass.compiled.allows(requiredAcl, identity.userUuid, identity.sessionUuid)
    this.memo.set(key, decision)
    return decision
  }
}

/** Whether the user or session uuid stands in the required ACL, as one of its words or as several with dots between. */
function concerns(
  words: ReadonlySet<string>,
  requiredAcl: string,
  { userUuid, sessionUuid }: Identity,
): boolean {
  return mentions(words, requiredAcl, userUuid) || mentions(words, requiredAcl, sessionUuid)
}

function mentions(words: ReadonlySet<string>, requiredAcl: string, uuid: string): boolean {
  return words.has(uuid) || (uuid.includes('.') && `.${requiredAcl}.`.includes(`.${uuid}.`))
}
