/**
 * The slow way to match, part by part over the set of all reachable places: for a user or session uuid that
 * contains a `.`, of which wazo-auth makes none, and which may match in more than one way.
 */
import type { Alternative, Fragment } from './pattern.js'
import { LOOK_COST_FACTOR, type Scan } from './scan.js'

/** `places[i]` is 1 when the pattern so far can end before character `i`. */
type Places = Uint8Array

/** Whether `fragments`, with a `#` between each two, match the whole text. Time: text times parts. */
export function matchesBySets(fragments: readonly Fragment[], scan: Scan): boolean {
  let places: Places = new Uint8Array(scan.text.length + 1)
  places[0] = 1
  fragments.forEach((fragment, i) => {
    if (i > 0) places.fill(1, endOfNone(places))
    fragment.forEach((piece, j) => {
      if (j > 0) spread(places, scan)
      const parts = typeof piece === 'string' ? [piece] : piece
      for (const part of parts) places = scan.exhausted ? places.fill(0) : after(places, part, scan)
    })
  })
  return places[scan.text.length] === 1
}

/** The first reachable place. */
function endOfNone(places: Places): number {
  const first = places.indexOf(1)
  return first < 0 ? places.length : first
}

/** Lets a `*` cross what it can. */
function spread(places: Places, scan: Scan): void {
  for (let at = 0; at < scan.text.length; at++)
    if (places[at] === 1 && scan.runEnd(at) > at) places[at + 1] = 1
}

/** The places after `part`. */
function after(places: Places, part: string | Alternative, scan: Scan): Places {
  const { text } = scan
  const words = typeof part === 'string' ? [part] : scan.options(part)
  const next = new Uint8Array(places.length)
  for (const word of words)
    for (let at = places.indexOf(1); at >= 0; at = places.indexOf(1, at + 1))
      if (text.startsWith(word, at)) next[at + word.length] = 1
  scan.spend(2 * LOOK_COST_FACTOR * text.length * words.length)
  return next
}
