import { type Alternative, EDIT, ME } from './pattern.js'
import { indexWithin } from './search.js'

/**
 * What one decision may cost, in characters looked at (plus a flat charge per step): a few milliseconds.
 * Only thousands of patterns made to be slow get there. Such a decision is "no": it fails closed.
 */
export const ACL_DECISION_CHARACTERS_MAX = 500_000

/** What a step costs besides the characters that it looks at, in characters. */
const STEP_COST_CHARACTERS = 16
/** What looking at a character in a loop of our own costs, in characters compared by the engine. */
export const LOOK_COST_FACTOR = 2

const DOT = 0x2e
const HASH = 0x23

/** Reads one required ACL for one session, and counts what that costs. */
export class Scan {
  readonly text: string
  /** Whether an alternative word contains a `.`, so that it may match in more than one way. */
  readonly dotted: boolean
  private readonly user: string
  private readonly session: string
  private left = ACL_DECISION_CHARACTERS_MAX
  private runEnds: Int32Array | null = null

  constructor(text: string, user: string, session: string) {
    this.text = text
    this.user = user
    this.session = session
    this.dotted = user.includes('.') || session.includes('.')
  }

  /** Whether the decision has looked at more than it may. */
  get exhausted(): boolean {
    return this.left < 0
  }

  /** Accounts for a step that looked at `characters`. */
  spend(characters: number): void {
    this.left -= characters + STEP_COST_CHARACTERS
  }

  /** The words that `alternative` stands for. */
  options(alternative: Alternative): readonly [string, string] {
    if (alternative === EDIT) return ['edit', 'update']
    return alternative === ME ? ['me', this.user] : ['my_session', this.session]
  }

  /** The place after the word at `at` when it is one of `alternative`'s, else -1. */
  wordEnd(alternative: Alternative, at: number): number {
    this.spend(STEP_COST_CHARACTERS)
    for (const word of this.options(alternative)) {
      const end = at + word.length
      if (!this.text.startsWith(word, at)) continue
      if (end === this.text.length || this.text.charCodeAt(end) === DOT) return end
    }
    return -1
  }

  /** The first place of `needle` in `from..to`, or -1. */
  find(needle: string, from: number, to: number): number {
    const at = indexWithin(this.text, needle, from, to)
    this.spend(LOOK_COST_FACTOR * ((at < 0 ? Math.max(to - from, 0) : at - from) + needle.length))
    return at
  }

  /** The first place at or after `at` that a `*` cannot cross: a `.`, a `#`, or the end of the text. */
  runEnd(at: number): number {
    this.runEnds ??= runEndsOf(this.text)
    return this.runEnds[at] ?? this.text.length
  }
}

function runEndsOf(text: string): Int32Array {
  const ends = new Int32Array(text.length + 1)
  let end = text.length
  ends[end] = end
  for (let at = text.length - 1; at >= 0; at--) {
    const code = text.charCodeAt(at)
    if (code === DOT || code === HASH) end = at
    ends[at] = end
  }
  return ends
}
