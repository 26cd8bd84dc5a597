/** What a token's ACL allows (contract, section 5). */
import { matchesGreedily } from './acl-match.js'
import { Pattern } from './acl-pattern.js'
import { Scan } from './acl-scan.js'
import { matchesBySets } from './acl-sets.js'

export { ACL_DECISION_CHARACTERS_MAX } from './acl-scan.js'

/** What taking one character of a pattern apart costs, in characters compared. */
const PARSE_COST = 8

/** The patterns of one kind (allowing or denying), found by their first word. */
class PatternSet {
  readonly personal: boolean
  private readonly everything: boolean
  private readonly literals = new Set<string>()
  private readonly byFirstWord = new Map<string, Pattern[]>()
  private readonly others: Pattern[] = []

  constructor(sources: ReadonlySet<string>) {
    let personal = false
    this.everything = sources.has('#')
    for (const source of sources) {
      const pattern = new Pattern(source)
      personal ||= pattern.personal
      if (pattern.literal) this.literals.add(source)
      else this.listOf(pattern).push(pattern)
    }
    this.personal = personal
    // Short ones first: an answer that is cheap to find is not lost behind costly ones.
    this.others.sort((a, b) => a.source.length - b.source.length)
  }

  matches(scan: Scan, dotted: boolean): boolean {
    const { text } = scan
    if (this.everything || this.literals.has(text)) return true
    const dot = text.indexOf('.')
    const firstWord = dot < 0 ? text : text.slice(0, dot)
    return (
      anyMatches(this.byFirstWord.get(firstWord) ?? [], scan, dotted) || anyMatches(this.others, scan, dotted)
    )
  }

  private listOf(pattern: Pattern): Pattern[] {
    const word = pattern.firstWord()
    if (word === null) return this.others
    let list = this.byFirstWord.get(word)
    if (list === undefined) this.byFirstWord.set(word, (list = []))
    return list
  }
}

function anyMatches(patterns: readonly Pattern[], scan: Scan, dotted: boolean): boolean {
  for (const pattern of patterns) {
    if (!pattern.mayMatch(scan.text)) continue
    if (scan.exhausted) return false
    scan.spend(PARSE_COST * pattern.source.length)
    const fragments = pattern.fragments()
    const slow = dotted && pattern.personal
    if (slow ? matchesBySets(fragments, scan) : matchesGreedily(fragments, scan)) return true
  }
  return false
}

/** The ACL of a token, ready to be asked. Holds no more memory than its patterns. */
export class CompiledAcl {
  /** Whether the answer can differ between two users or sessions with this ACL. */
  readonly personal: boolean
  private readonly allowed: PatternSet
  private readonly denied: PatternSet

  constructor(patterns: readonly string[]) {
    const allowed = new Set<string>()
    const denied = new Set<string>()
    for (const pattern of patterns) {
      if (pattern.startsWith('!')) denied.add(pattern.slice(1))
      else allowed.add(pattern)
    }
    this.allowed = new PatternSet(allowed)
    this.denied = new PatternSet(denied)
    this.personal = this.allowed.personal || this.denied.personal
  }

  /**
   * Whether the token may see what requires `requiredAcl`; `userUuid` and `sessionUuid` are what `me` and
   * `my_session` also stand for. Takes some 10 ms at the very worst (ACL_DECISION_CHARACTERS_MAX).
   */
  allows(requiredAcl: string, userUuid: string, sessionUuid: string): boolean {
    const scan = new Scan(requiredAcl, userUuid, sessionUuid)
    const dotted = userUuid.includes('.') || sessionUuid.includes('.')
    if (this.denied.matches(scan, dotted) || scan.exhausted) return false
    return this.allowed.matches(scan, dotted)
  }
}

/** Prepares a token's ACL; linear in the length of `patterns`. */
export function compileAcl(patterns: readonly string[]): CompiledAcl {
  return new CompiledAcl(patterns)
}
