/**
 * Matches a pattern against a whole text without backtracking.
 *
 * `#` crosses everything, so each fragment between two `#` may settle for its earliest end. Within a fragment
 * `*` crosses neither `.` nor `#`: every piece after a `*` has to begin before the next of those, and one that
 * contains a `.` has to have its first `.` there, so that only the place of the fragment's first piece is open.
 * All this holds as long as an alternative word contains no `.` of its own (else: acl-sets.ts).
 */
import type { Fragment, Piece } from './pattern.js'
import type { Scan } from './scan.js'

/** Whether `fragments`, with a `#` between each two, match the whole text. */
export function matchesGreedily(fragments: readonly Fragment[], scan: Scan): boolean {
  const last = fragments.length - 1
  let at = 0
  for (let i = 0; i <= last; i++) {
    const fragment = fragments[i] ?? []
    at = i === 0 ? fitAt(fragment, scan, 0, last === 0) : fitFrom(fragment, scan, at, i === last)
    if (at < 0) return false
  }
  return true
}

/** The earliest end of `fragment` with its beginning at `at`, or -1; `whole`: only the end of the text will do. */
function fitAt(fragment: Fragment, scan: Scan, at: number, whole: boolean): number {
  const end = pieceEnd(fragment[0] ?? '', scan, at)
  return end < 0 ? -1 : fitRest(fragment, scan, end, whole)
}

/** The earliest end of `fragment` with its beginning at or after `from`, or -1. */
function fitFrom(fragment: Fragment, scan: Scan, from: number, whole: boolean): number {
  const first = fragment[0] ?? ''
  const head = headOf(first)
  const dotted = head.includes('.')
  if (whole && (dotted || fragment.length === 1)) return fitTail(fragment, scan, from)
  while (!scan.exhausted) {
    const start = scan.find(head, from, scan.text.length)
    if (start < 0) return -1
    const end = pieceEnd(first, scan, start)
    const fragmentEnd = end < 0 ? -1 : fitRest(fragment, scan, end, whole)
    if (fragmentEnd >= 0) return fragmentEnd
    // Without a `.` in the first piece every other beginning in this run leaves the rest less room.
    from = dotted ? start + 1 : scan.runEnd(end) + 1
    if (from > scan.text.length) return -1
  }
  return -1
}

/**
 * The end of the text when `fragment` lies there and begins at or after `from`, or -1. Its first piece is all of
 * it or contains a `.`; only literal text matches a `.`, so that the place of the first one is found by counting.
 */
function fitTail(fragment: Fragment, scan: Scan, from: number): number {
  const { text } = scan
  const first = fragment[0] ?? ''
  let start = text.length
  if (fragment.length === 1 && typeof first === 'string') start -= first.length
  else {
    for (let i = dotsOf(fragment); i > 0; i--) {
      start = start > 0 ? text.lastIndexOf('.', start - 1) : -1
      if (start < 0) break
    }
    scan.spend(text.length - Math.max(start, 0))
    if (start < 0) return -1
    start -= headOf(first).indexOf('.')
  }
  return start < from ? -1 : fitAt(fragment, scan, start, true)
}

/** The end of the pieces after the first one, which ends at `at`; or -1. */
function fitRest(fragment: Fragment, scan: Scan, at: number, whole: boolean): number {
  const { text } = scan
  for (let i = 1; i < fragment.length; i++) {
    const piece = fragment[i] ?? ''
    const runEnd = scan.runEnd(at)
    const head = headOf(piece)
    const dot = head.indexOf('.')
    let start: number
    if (dot >= 0) start = runEnd - dot
    else if (whole && i === fragment.length - 1) start = text.length - head.length
    else start = scan.find(head, at, runEnd)
    if (start < at || start > runEnd) return -1
    at = pieceEnd(piece, scan, start)
    if (at < 0) return -1
  }
  return whole && at !== text.length ? -1 : at
}

/** Where `piece` ends when it begins at `at`, or -1. */
function pieceEnd(piece: Piece, scan: Scan, at: number): number {
  if (typeof piece === 'string') return literalEnd(piece, scan, at)
  for (const part of piece) {
    at = typeof part === 'string' ? literalEnd(part, scan, at) : scan.wordEnd(part, at)
    if (at < 0) return -1
  }
  return at
}

function literalEnd(literal: string, scan: Scan, at: number): number {
  scan.spend(literal.length)
  return scan.text.startsWith(literal, at) ? at + literal.length : -1
}

/** The literal text that `piece` begins with; after a wildcard it holds the piece's first `.` if there is one. */
function headOf(piece: Piece): string {
  if (typeof piece === 'string') return piece
  const head = piece[0]
  return typeof head === 'string' ? head : ''
}

function dotsOf(fragment: Fragment): number {
  let dots = 0
  for (const piece of fragment)
    for (const part of typeof piece === 'string' ? [piece] : piece)
      if (typeof part === 'string') dots += part.split('.').length - 1
  return dots
}
