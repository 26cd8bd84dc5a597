/**
 * Finds the source text of a member in JSON text, so that a value can be given back exactly as it was
 * written (`12345678901234567890`, `1.0`). Works on text that JSON.parse has accepted; one pass, no recursion.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** A value's place in the text: `from` its first character, `to` just after its last one. */
interface Span {
  readonly from: number
  readonly to: number
}

/**
 * The source text of the value at `path` (names of members, from the root object down), or null when there
 * is none. Of several members with one name the last counts, as in JSON.parse.
 */
export function memberSource(text: string, path: readonly string[]): string | null {
  let at = skipSpace(text, 0)
  let found: Span = { from: at, to: text.length }
  for (const name of path) {
    const member = lastMember(text, at, name)
    if (member === null) return null
    found = member
    at = member.from
  }
  return text.slice(found.from, found.to)
}

/** The value of the last member called `name` of the object that starts at `at`. */
function lastMember(text: string, at: number, name: string): Span | null {
  if (text.charCodeAt(at) !== OPEN_BRACE) return null
  let found: Span | null = null
  at = skipSpace(text, at + 1)
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = skipString(text, at)
    const from = skipSpace(text, skipSpace(text, keyEnd) + 1) // past the colon
    const to = skipValue(text, from)
    if (isKey(text.slice(at, keyEnd), name)) found = { from, to }
    at = skipSpace(text, to)
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1)
  }
  return found
}

/** Whether the string literal `source` spells `name`; escapes make several spellings of one name. */
function isKey(source: string, name: string): boolean {
  if (source.includes('\\')) return JSON.parse(source) === name
  return source.length === name.length + 2 && source.startsWith(name, 1)
}

function skipSpace(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at
    at++
  }
}

/** The place after the string literal that starts at `at`. */
function skipString(text: string, at: number): number {
  at++
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === BACKSLASH) at++
    else if (code === QUOTE) return at + 1
  }
  return at
}

/** The place after the value that starts at `at`; containers are counted, not descended into. */
function skipValue(text: string, at: number): number {
  const first = text.charCodeAt(at)
  if (first === QUOTE) return skipString(text, at)
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return skipScalar(text, at)
  let depth = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = skipString(text, at)
      continue
    }
    at++
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++
    else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth === 0) return at
  }
  return at
}

/** The place after a number, `true`, `false` or `null`. */
function skipScalar(text: string, at: number): number {
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= 0x20) return at
  }
  return at
}
