/** ACL patterns taken apart (contract, section 5). */

/** A word of a pattern that stands for either of two words. */
export const ME = 0
export const MY_SESSION = 1
export const EDIT = 2
export type Alternative = typeof ME | typeof MY_SESSION | typeof EDIT

const ALTERNATIVES: ReadonlyMap<string, Alternative> = new Map<string, Alternative>([
  ['me', ME],
  ['my_session', MY_SESSION],
  ['edit', EDIT],
])

const ALTERNATIVE_WORD = /(?:^|\.)(?:me|my_session|edit)(?=\.|$)/
const PERSONAL_WORD = /(?:^|\.)(?:me|my_session)(?:\.|$)/

/** Literal text and alternative words without a wildcard; the plain string when there is no alternative. */
export type Piece = string | readonly (string | Alternative)[]
/** What stands between two `#`: pieces with a `*` between each two. */
export type Fragment = readonly Piece[]

/** One pattern without its `!`. Taken apart only when a text gets past the cheap checks, and not kept. */
export class Pattern {
  readonly source: string
  /** Whether a word is `me` or `my_session`, so that the answer can depend on who asks. */
  readonly personal: boolean
  /** Whether the pattern is its own and only match. */
  readonly literal: boolean
  private readonly alternatives: boolean
  private readonly head: string
  private readonly tail: string
  private readonly lengthMin: number

  constructor(source: string) {
    this.source = source
    const wildcard = firstWildcard(source)
    const alternative = firstAlternative(source)
    const special = Math.min(wildcard, alternative)
    this.alternatives = alternative < source.length
    this.literal = wildcard === source.length && !this.alternatives
    this.personal = this.alternatives && PERSONAL_WORD.test(source)
    this.head = source.slice(0, special)
    this.tail = this.alternatives ? '' : source.slice(endOfWildcards(source))
    this.lengthMin = this.alternatives ? special : source.length - countWildcards(source)
  }

  /** The literal first word, or null when a wildcard or an alternative is in it. */
  firstWord(): string | null {
    const dot = this.head.indexOf('.')
    return dot < 0 ? null : this.head.slice(0, dot)
  }

  /** Cheap: false when `text` cannot match for its length, its beginning or its end. */
  mayMatch(text: string): boolean {
    return text.length >= this.lengthMin && text.startsWith(this.head) && text.endsWith(this.tail)
  }

  fragments(): Fragment[] {
    const texts = this.source.split('#')
    const last = texts.length - 1
    const fragments: Fragment[] = []
    for (let i = 0; i <= last; i++) fragments.push(this.piecesOf(texts[i] ?? '', i === 0, i === last))
    return fragments
  }

  private piecesOf(text: string, first: boolean, last: boolean): Fragment {
    const pieces = text.includes('*') ? text.split('*') : [text]
    if (!this.alternatives) return pieces
    return pieces.map((piece, i) => partsOf(piece, first && i === 0, last && i === pieces.length - 1))
  }
}

/** `first` and `last`: whether the pattern begins or ends with this piece, so that its outer words are whole. */
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

/** The place of the first wildcard, or the length of `source`. */
function firstWildcard(source: string): number {
  const star = source.indexOf('*')
  const hash = source.indexOf('#')
  return Math.min(star < 0 ? source.length : star, hash < 0 ? source.length : hash)
}

/** The place of the first whole word that is an alternative, or the length of `source`. */
function firstAlternative(source: string): number {
  if (!source.includes('me') && !source.includes('my_session') && !source.includes('edit'))
    return source.length
  const at = source.search(ALTERNATIVE_WORD)
  if (at < 0) return source.length
  return source.startsWith('.', at) ? at + 1 : at
}

function endOfWildcards(source: string): number {
  return Math.max(source.lastIndexOf('*'), source.lastIndexOf('#')) + 1
}

function countWildcards(source: string): number {
  let count = 0
  for (let i = 0; i < source.length; i++) {
    const code = source.charCodeAt(i)
    if (code === 0x2a || code === 0x23) count++
  }
  return count
}
