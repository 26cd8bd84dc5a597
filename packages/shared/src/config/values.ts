/** The kinds of value that configuration keys take. Each says in its error what it expects. */
import { z } from 'zod'

/** A text that is not empty. */
export function text(expected = 'a text') {
  return z.string({ error: expected }).min(1, { error: expected })
}

/** A text that matches `pattern`. */
export function textLike(pattern: RegExp, expected: string) {
  return z.string({ error: expected }).regex(pattern, { error: expected })
}

/** A secret; its value never appears in an error. */
export function secret() {
  return z.string({ error: 'a text' })
}

/** Texts, in lower case, that mean `true` or `false` where only these are allowed. */
export const FLAG_WORDS: ReadonlyMap<string, boolean> = new Map([
  ...['true', 'yes', 'on', '1'].map((word) => [word, true] as const),
  ...['false', 'no', 'off', '0'].map((word) => [word, false] as const),
])

/** `true`, `false` or a text that does not look like one of them. */
export function flagOrText(expected: string) {
  const isFlagWord = (value: string) => FLAG_WORDS.has(value.toLowerCase())
  const plain = text(expected).refine((value) => !isFlagWord(value), { error: expected })
  return z.union([flag(), plain], { error: expected })
}

/** `true` or `false`. */
export function flag() {
  return z.boolean({ error: 'true or false' })
}

/** A whole number from `min` to `max`. */
export function count(min = 1, max = Number.MAX_SAFE_INTEGER, expected = countText(min, max)) {
  return z.int({ error: expected }).min(min, { error: expected }).max(max, { error: expected })
}

function countText(min: number, max: number): string {
  return max === Number.MAX_SAFE_INTEGER
    ? `a whole number from ${min}`
    : `a whole number from ${min} to ${max}`
}

/** A TCP port; 0 lets the system choose one. */
export function port() {
  return count(0, 65535)
}

const SECONDS_MAX = 2_147_483

/** A length of time in seconds above 0; fractions are allowed. */
export function seconds() {
  const expected = `a number of seconds above 0 and at most ${SECONDS_MAX}`
  return z.number({ error: expected }).positive({ error: expected }).max(SECONDS_MAX, { error: expected })
}

/** A length of time in seconds, where 0 means at once. */
export function secondsOrZero() {
  const expected = `a number of seconds from 0 to ${SECONDS_MAX}`
  return z.number({ error: expected }).min(0, { error: expected }).max(SECONDS_MAX, { error: expected })
}

/** One of a few words. */
export function choice<const T extends readonly [string, ...string[]]>(...words: T) {
  return z.enum(words, { error: `one of: ${words.join(', ')}` })
}

const HOST_PORT = /^(?:\[[0-9A-Fa-f:.]+\]|[^\s:[\]@/,]+):\d{1,5}$/

/** A list of host:port, an IPv6 address in brackets. */
export function hostPorts() {
  const expected = 'a list of host:port'
  return z.array(textLike(HOST_PORT, expected), { error: expected }).min(1, { error: expected })
}

/** A list of texts. */
export function textList(expected = 'a list of texts') {
  return z.array(text(expected), { error: expected })
}
