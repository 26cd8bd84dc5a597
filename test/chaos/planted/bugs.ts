/** The bugs that the checker has to find, each planted into the sessions of a real edge. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Invariant } from '../../support/checker/history.js'
import { isEvent, type Bug, type Link } from './crook.js'

/** The sessions of a population, by what happens to them; the order is that of their arrival. */
export const ROLES = ['of tenant 1', 'of tenant 2', 'version 1', 'revoked', 'expiring', 'late'] as const
export const [VICTIM, STRANGER, , REVOKED, EXPIRING, LATE] = [0, 1, 2, 3, 4, 5]

/** Which of the victim's events is tampered with. */
const NTH = 20
const OVERSTAY_MS = 5000

interface Planted {
  readonly what: string
  readonly finds: Invariant
  /** Anew for each run: some keep a state. */
  readonly make: () => Bug
}

export const PLANTED: readonly Planted[] = [
  { what: 'one event dropped', finds: 'I2', make: () => tamper(() => []) },
  { what: 'one event doubled', finds: 'I1', make: () => tamper((text) => [text, text]) },
  { what: 'two events swapped', finds: 'I1', make: swap },
  { what: 'one event leaked to another tenant', finds: 'I4', make: leak },
  { what: 'one event delivered after a revocation', finds: 'I5', make: afterRevocation },
  { what: 'one event delivered before start', finds: 'I2', make: beforeStart },
  { what: 'one session kept 5 s past its token', finds: 'I5', make: overstay },
  { what: 'a gap without 1011', finds: 'I3', make: deafen },
  { what: 'one event lost by a hand-over', finds: 'I2', make: () => handOver(() => []) },
  { what: 'one event given again by a hand-over', finds: 'I1', make: () => handOver(repeat) },
]

/** Instead of the victim's event number NTH something else is sent. */
function tamper(instead: (text: string) => readonly string[]): Bug {
  return { frame: (link, text) => (isNth(link, text, NTH) ? instead(text) : [text]) }
}

function isNth(link: Link, text: string, n: number): boolean {
  return link.index === VICTIM && isEvent(text) && link.events === n
}

function swap(): Bug {
  let held: string | null = null
  return {
    frame(link, text) {
      if (isNth(link, text, NTH)) {
        held = text
        return []
      }
      if (held === null || link.index !== VICTIM) return [text]
      const both = [text, held]
      held = null
      return both
    },
  }
}

function leak(): Bug {
  return {
    frame(link, text, links) {
      if (isNth(link, text, NTH)) links[STRANGER]?.send(text)
      return [text]
    },
  }
}

/** The close of the revoked session waits for the next event of its tenant, which it gets, too. */
function afterRevocation(): Bug {
  let next: ((text: string) => void) | null = null
  let revoked: Link | null = null
  return {
    frame(link, text) {
      if (link.index === REVOKED) revoked = link
      if (link.index === VICTIM && isEvent(text)) next?.(text)
      return [text]
    },
    async closing(link) {
      if (link.index !== REVOKED) return
      await new Promise<void>((resolve) => {
        next = (text) => {
          next = null
          revoked?.send(text)
          resolve()
        }
      })
    },
  }
}

function beforeStart(): Bug {
  // The first one: a later one might reach the session once more, which is another bug.
  let first: string | null = null
  return {
    frame(link, text) {
      if (link.index === VICTIM && isEvent(text)) first ??= text
      return link.index === LATE && first !== null && text.includes('"op":"start"') ? [first, text] : [text]
    },
  }
}

function overstay(): Bug {
  return {
    async closing(link) {
      if (link.index === EXPIRING) await sleep(OVERSTAY_MS)
    },
  }
}

function deafen(): Bug {
  return {
    frame: (link, text) => (link.index === VICTIM && isEvent(text) && link.events >= NTH ? [] : [text]),
  }
}

/** Instead of the first event after a hand-over the victim gets something else, made of the last two. */
function handOver(instead: (text: string, before: string) => readonly string[]): Bug {
  let isDue = false
  let before: string | null = null
  return {
    handedOver: () => void (isDue = true),
    frame(link, text) {
      if (link.index !== VICTIM || !isEvent(text)) return [text]
      const frames = isDue && before !== null ? instead(text, before) : [text]
      isDue &&= before === null
      before = text
      return frames
    },
  }
}

function repeat(text: string, before: string): readonly string[] {
  return [before, text]
}
