import type { Identity } from '@wazo-websocketd/shared/domain/identity'
import type { AclClass } from './acl-classes.js'
import { DecisionMemo } from './decision-memo.js'

/** What a decision depends on. */
export interface AclSubject {
  readonly identity: Identity
  /** The class of the identity's ACL. */
  readonly aclClass: AclClass
  /** See the function `uuidLengths`. */
  readonly uuidLengths: number
}

/** Lengths of words are kept as bits of one number; words of so many characters and more share the last bit. */
const LENGTH_BITS = 29
/** Bit: a uuid contains a `.`, and so can be several words; wazo-auth makes none such. */
const DOTTED = 1 << 30

/**
 * Decides whether ACLs admit events (C4.9, C4.10), for one event after the other. A decision depends on the session
 * only when its user or session uuid stands in the required ACL; all others are shared by its class.
 */
export class AclDecision {
  /** Decisions that were neither shared nor remembered, since the start. */
  evaluations = 0
  private readonly memo = new DecisionMemo()
  private requiredAcl: string | null = null
  /** The words of the required ACL, once a decision needed them, and the lengths that they have. */
  private words: ReadonlySet<string> | null = null
  private lengths = 0
  private eventId = 0

  /** Begins a new event: the next calls of `admits` are about it. */
  begin(requiredAcl: string | null): void {
    this.requiredAcl = requiredAcl
    this.words = null
    this.eventId++
  }

  /** Whether the subject's ACL admits the event. */
  admits(subject: AclSubject): boolean {
    const { requiredAcl } = this
    if (requiredAcl === null) return true
    const { aclClass } = subject
    if (aclClass.compiled.personal && this.concerns(requiredAcl, subject))
      return this.decidePersonally(requiredAcl, subject)
    if (aclClass.lastEventId !== this.eventId) {
      aclClass.lastDecision = this.decideForClass(requiredAcl, subject)
      aclClass.lastEventId = this.eventId
    }
    return aclClass.lastDecision
  }

  /** Decides for one session, apart from the event that `begin` named. */
  admitsOnce(requiredAcl: string | null, subject: AclSubject): boolean {
    if (requiredAcl === null) return true
    const { userUuid, sessionUuid } = subject.identity
    const personal =
      subject.aclClass.compiled.personal &&
      (mentions(requiredAcl, userUuid) || mentions(requiredAcl, sessionUuid))
    return personal ? this.decidePersonally(requiredAcl, subject) : this.decideForClass(requiredAcl, subject)
  }

  /** Whether the subject's user or session uuid stands in the required ACL. Mostly the lengths say no. */
  private concerns(requiredAcl: string, { identity, uuidLengths }: AclSubject): boolean {
    const words = this.words ?? this.splitIntoWords(requiredAcl)
    if ((this.lengths & uuidLengths) === 0) return false
    const { userUuid, sessionUuid } = identity
    if (words.has(userUuid) || words.has(sessionUuid)) return true
    const dotted = (uuidLengths & DOTTED) !== 0
    return dotted && (mentions(requiredAcl, userUuid) || mentions(requiredAcl, sessionUuid))
  }

  private splitIntoWords(requiredAcl: string): ReadonlySet<string> {
    this.words = new Set(requiredAcl.split('.'))
    this.lengths = DOTTED
    for (const word of this.words) this.lengths |= lengthBit(word)
    return this.words
  }

  private decidePersonally(requiredAcl: string, subject: AclSubject): boolean {
    const { userUuid, sessionUuid } = subject.identity
    // The lengths keep apart what would read the same.
    const who = `${userUuid.length},${sessionUuid.length},${userUuid}${sessionUuid}`
    return this.decide(`${subject.aclClass.id},${who}${requiredAcl}`, requiredAcl, subject)
  }

  private decideForClass(requiredAcl: string, subject: AclSubject): boolean {
    return this.decide(`${subject.aclClass.id} ${requiredAcl}`, requiredAcl, subject)
  }

  private decide(key: string, requiredAcl: string, { aclClass, identity }: AclSubject): boolean {
    const known = this.memo.get(key)
    if (known !== undefined) return known
    this.evaluations++
    const decision = aclClass.compiled.allows(requiredAcl, identity.userUuid, identity.sessionUuid)
    this.memo.set(key, decision)
    return decision
  }
}

function lengthBit(word: string): number {
  return 1 << Math.min(word.length, LENGTH_BITS)
}

function mentions(requiredAcl: string, uuid: string): boolean {
  return `.${requiredAcl}.`.includes(`.${uuid}.`)
}

/**
 * Returns the lengths of the uuids of `identity`, and whether one contains a `.`, as bits: most ACLs that do not
 * mention them are ruled out by one operation.
 */
export function uuidLengths({ userUuid, sessionUuid }: Identity): number {
  const dotted = userUuid.includes('.') || sessionUuid.includes('.')
  return lengthBit(userUuid) | lengthBit(sessionUuid) | (dotted ? DOTTED : 0)
}
