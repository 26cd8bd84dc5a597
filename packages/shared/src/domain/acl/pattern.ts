/**
 * ACL patterns taken apart (C5). A pattern is kept as its text only: a worker holds the
 * lists of thousands of tokens, and a decision takes apart no more than the few patterns that may match.
 */

/** A word of a pattern that stands for either of two words. */
export const ME = 0
const MY_SESSION = 1
export const EDIT = 2
export type Alternative = typeof ME | typeof MY_SESSION | typeof EDIT

const ALTERNATIVES: ReadonlyMap<string, Alternative> = new Map<string, Alternative>([
  ['me', ME],
  ['my_session', MY_SESSION],
  ['edit', EDIT],
])
const ALTERNATIVE_WORD = /(?:^|\.)(?:me|my_session|edit)(?:\.|$)/
const PERSONAL_WORD = /(?:^|\.)(?:me|my_session)(?:\.|$)/

const STAR = 0x2a
const HASH = 0x23

/** Literal text and alternative words without a wildcard; the plain string when there is no alternative. */
export type Piece = string | readonly (string | Alternative)[]
/** What stands between two `#`: pieces with a `*` between each two. */
export type Fragment = readonly Piece[]

/** Whether a word of `pattern` is `me` or `my_session`, so that the answer can depend on who asks. */
export function isPersonal(pattern: string): boolean {
  return (pattern.includes('me') || pattern.includes('my_session')) && PERSONAL_WORD.test(pattern)
}

/** Whether `pattern` is its own and only match. */
export function isLiteral(pattern: string): boolean {
  return !pattern.includes('#') && !pattern.includes('*') && !hasAlternative(pattern)
}

/** The first word of `pattern`, or null when there is but one, or a wildcard or an alternative is in it. */
export function firstWord(pattern: string): string | null {
  const dot = pattern.indexOf('.')
  if (dot < 0) return null
  const word = pattern.slice(0, dot)
  return word.includes('*') || word.includes('#') || ALTERNATIVES.has(word) ? null : word
}

/**
 * Cheap: false when `text` cannot match `pattern` for its beginning, its end or its length. To be asked only
 * when no alternative word contains a `.`.
 */
export function mayMatch(pattern: string, text: string): boolean {
  return beginsLike(pattern, text) && endsLike(pattern, text) && !isTooShort(pattern, text)
}

function beginsLike(pattern: string, text: string): boolean {
  for (let at = 0; at < pattern.length; at++) {
    const code = pattern.charCodeAt(at)
    if (code === STAR || code === HASH) return true
    if (code === text.charCodeAt(at)) continue
    const end = pattern.indexOf('.', at)
    return ALTERNATIVES.has(pattern.slice(startOfWord(pattern, at), end < 0 ? pattern.length : end))
  }
  return true
}

function endsLike(pattern: string, text: string): boolean {
  let there = text.length
  for (let at = pattern.length - 1; at >= 0; at--) {
    const code = pattern.charCodeAt(at)
    if (code === STAR || code === HASH) return true
    if (code === text.charCodeAt(--there)) continue
    const end = pattern.indexOf('.', at + 1)
    return ALTERNATIVES.has(pattern.slice(startOfWord(pattern, at + 1), end < 0 ? pattern.length : end))
  }
  return true
}

function isTooShort(pattern: string, text: string): boolean {
  if (pattern.length <= text.length) return false
  let literals = 0
  for (let at = 0; at < pattern.length; at++) {
    const code = pattern.charCodeAt(at)
    if (code !== STAR && code !== HASH) literals++
  }
  return literals > text.length && !hasAlternative(pattern)
}

/** The place after the last `.` before `at`. */
function startOfWord(pattern: string, at: number): number {
  return at === 0 ? 0 : pattern.lastIndexOf('.', at - 1) + 1
}

function hasAlternative(pattern: string): boolean {
  const possible = pattern.includes('me') || pattern.includes('edit') || pattern.includes('my_session')
  return possible && ALTERNATIVE_WORD.test(pattern)
}

/** Takes `pattern` apart. */
export function fragmentsOf(pattern: string): Fragment[] {
  const alternatives = hasAlternative(pattern)
  const texts = pattern.split('#')
  const last = texts.length - 1
  const fragments: Fragment[] = []
  for (let i = 0; i <= last; i++) {
    const text = texts[i] ?? ''
    const pieces = text.includes('*') ? text.split('*') : [text]
    fragments.push(alternatives ? withAlternatives(pieces, i === 0, i === last) : pieces)
  }
  return fragments
}

/** `first` and `last`: whether the pattern begins or ends with these pieces, so that its outer words are whole. */
function withAlternatives(pieces: readonly string[], first: boolean, last: boolean): Fragment {
  return pieces.map((piece, i) => partsOf(piece, first && i === 0, last && i === pieces.length - 1))
}

function partsOf(piece: string, first: boolean, last: boolean): Piece {
  const words = piece.split('.')
  const parts: (string | Alternative)[] = []
  let literal = ''
  words.forEach((word, i) => {
    if (i > 0) literal += '.'
    const whole = (i > 0 || first) && (i < words.length - 1 || last)
    const alternative = whole ? ALTERNATIVES.get(word) : undefined
    if (alternative === undefined) {
      literal += word
      return
    }
    parts.push(literal, alternative)
    literal = ''
  })
  if (parts.length === 0) return literal
  parts.push(literal)
  return parts
}
