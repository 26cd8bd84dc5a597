/** What a token's ACL allows (C5). */
import { matchesGreedily } from './match.js'
import { firstWord, fragmentsOf, isLiteral, isPersonal, mayMatch } from './pattern.js'
import { Scan } from './scan.js'
import { matchesBySets } from './sets.js'

export { ACL_DECISION_CHARACTERS_MAX } from './scan.js'

/** What taking one character of a pattern apart costs, in characters compared. */
const PARSE_COST_FACTOR = 8

/** Finds the patterns of one kind (allowing or denying) by their first word. */
class PatternSet {
  readonly personal: boolean
  private readonly everything: boolean
  private readonly literals = new Set<string>()
  private readonly byFirstWord = new Map<string, string[]>()
  private readonly others: string[] = []

  constructor(patterns: readonly string[]) {
    this.everything = patterns.includes('#')
    this.personal = patterns.some(isPersonal)
    for (const pattern of patterns) {
      if (isLiteral(pattern)) this.literals.add(pattern)
      else this.listOf(firstWord(pattern)).push(pattern)
    }
    // Short ones first: an answer that is cheap to find is not lost behind costly ones.
    this.others.sort((a, b) => a.length - b.length)
  }

  matches(scan: Scan): boolean {
    const { text } = scan
    if (this.everything || this.literals.has(text)) return true
    const dot = text.indexOf('.')
    const named = this.byFirstWord.get(dot < 0 ? text : text.slice(0, dot))
    return (named !== undefined && anyMatches(named, scan)) || anyMatches(this.others, scan)
  }

  private listOf(word: string | null): string[] {
    if (word === null) return this.others
    let list = this.byFirstWord.get(word)
    if (list === undefined) this.byFirstWord.set(word, (list = []))
    return list
  }
}

function anyMatches(patterns: readonly string[], scan: Scan): boolean {
  for (const pattern of patterns) {
    const slow = scan.dotted && isPersonal(pattern)
    if (!slow && !mayMatch(pattern, scan.text)) continue
    if (scan.exhausted) return false
    scan.spend(PARSE_COST_FACTOR * pattern.length)
    const fragments = fragmentsOf(pattern)
    if (slow ? matchesBySets(fragments, scan) : matchesGreedily(fragments, scan)) return true
  }
  return false
}

/** Answers what the ACL of a token allows. Keeps the patterns' texts and little more. */
export class CompiledAcl {
  /** Whether the answer can differ between two users or sessions with this ACL. */
  readonly personal: boolean
  private readonly allowed: PatternSet
  private readonly denied: PatternSet

  constructor(patterns: readonly string[]) {
    const allowed: string[] = []
    const denied: string[] = []
    for (const pattern of patterns) {
      if (pattern.startsWith('!')) denied.push(pattern.slice(1))
      else allowed.push(pattern)
    }
    this.allowed = new PatternSet(allowed)
    this.denied = new PatternSet(denied)
    this.personal = this.allowed.personal || this.denied.personal
  }

  /**
   * Whether the token may see what requires `requiredAcl`; `userUuid` and `sessionUuid` are what `me` and
   * `my_session` also stand for. Takes a few milliseconds at worst (ACL_DECISION_CHARACTERS_MAX).
   */
  allows(requiredAcl: string, userUuid: string, sessionUuid: string): boolean {
    const scan = new Scan(requiredAcl, userUuid, sessionUuid)
    if (this.denied.matches(scan) || scan.exhausted) return false
    return this.allowed.matches(scan)
  }
}

/** Prepares a token's ACL; linear in the length of `patterns`. */
export function compileAcl(patterns: readonly string[]): CompiledAcl {
  return new CompiledAcl(patterns)
}
