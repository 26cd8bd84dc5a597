/** Substring search in a part of a text, in linear time whatever the needle looks like. */

/** Up to this many characters a needle is compared at every place; longer ones are searched by Knuth-Morris-Pratt. */
const SHORT_NEEDLE_CHARACTERS = 8

/** The first place in `from..to` where all of `needle` lies, or -1. */
export function indexWithin(text: string, needle: string, from: number, to: number): number {
  if (needle.length > to - from) return -1
  if (needle.length === 0) return from
  return needle.length <= SHORT_NEEDLE_CHARACTERS
    ? compareEverywhere(text, needle, from, to)
    : knuthMorrisPratt(text, needle, from, to)
}

function compareEverywhere(text: string, needle: string, from: number, to: number): number {
  const first = needle.charCodeAt(0)
  const last = to - needle.length
  for (let at = from; at <= last; at++)
    if (text.charCodeAt(at) === first && text.startsWith(needle, at)) return at
  return -1
}

function knuthMorrisPratt(text: string, needle: string, from: number, to: number): number {
  const borders = bordersOf(needle)
  let matched = 0
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at)
    while (matched > 0 && needle.charCodeAt(matched) !== code) matched = borders[matched - 1] ?? 0
    if (needle.charCodeAt(matched) === code) matched++
    if (matched === needle.length) return at + 1 - matched
  }
  return -1
}

/** For each beginning of `needle` the length of its longest proper beginning that is also its end. */
function bordersOf(needle: string): Int32Array {
  const borders = new Int32Array(needle.length)
  let border = 0
  for (let at = 1; at < needle.length; at++) {
    const code = needle.charCodeAt(at)
    while (border > 0 && needle.charCodeAt(border) !== code) border = borders[border - 1] ?? 0
    if (needle.charCodeAt(border) === code) border++
    borders[at] = border
  }
  return borders
}
