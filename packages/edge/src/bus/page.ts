/** Decides what a page of the log proves to a reader (ADR 1). Pure. */
import { decode, EnvelopeError, type SealedBatch } from '@wazo-websocketd/shared/domain/envelope'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Epoch, Offset, Position } from '@wazo-websocketd/shared/domain/position'
import { between } from './cursor.js'

/** `meta` and the entries of the log that end above the reader's position, of the same moment. */
export interface Page {
  /** null: Redis knows no numbering (it came back empty and has not been seeded again). */
  readonly meta: {
    readonly epoch: Epoch
    readonly head: Offset
    /** Up to here events are published again, after Redis lost them: whoever has no position begins no earlier. */
    readonly replayEnd?: Offset
  } | null
  /** Envelopes in order, as bytes or decoded; a page is bounded, so there may be more. */
  readonly entries: readonly (Uint8Array | SealedBatch)[]
  /** Why this program cannot read what Redis holds; then there is neither meta nor an entry. */
  readonly unreadable?: string
}

/** How far a reader wants to read. */
export interface Goal {
  /** The highest `last` received: the log must reach it before the reader is up to date. */
  readonly lastSeen: Offset
  /** Nothing above it is given to the reader. */
  readonly ceiling: Offset
}

/** Why events are lost: the log does not reach back far enough, or it cannot be proven that the reader's numbering is in force. */
export type Loss = 'log' | 'continuity'

export type PageReading =
  /** `batches` follow the position without a gap; `reached` is the new position. */
  | {
      readonly kind: 'read'
      readonly batches: readonly (readonly BusEvent[])[]
      readonly reached: Offset
      /** The goal is reached; otherwise the next page is to be read at once. */
      readonly complete: boolean
    }
  /** Redis is behind what this reader knows: it came back older and is being filled again. */
  | { readonly kind: 'wait'; readonly why: string }
  /** Events between the position and the log are gone. */
  | { readonly kind: 'lost'; readonly loss: Loss; readonly why: string; readonly unreadable?: true }

/** Reads `page`, which begins after `at`. Every entry must follow the one before it. */
export function readPage(at: Position, page: Page, goal: Goal): PageReading {
  const { meta } = page
  if (page.unreadable !== undefined) return unreadable(page.unreadable)
  if (meta === null) return { kind: 'wait', why: 'Redis holds no numbering' }
  if (meta.epoch !== at.epoch) return lost('continuity', 'a new epoch began')
  if (meta.head < at.offset) return { kind: 'wait', why: 'Redis came back older' }
  const batches: (readonly BusEvent[])[] = []
  const target = Math.min(Math.max(meta.head, goal.lastSeen), goal.ceiling)
  let reached = at.offset
  try {
    for (const entry of page.entries) {
      if (reached >= target) break
      const batch = openEntry(entry)
      if (batch.epoch !== at.epoch) return lost('continuity', 'the log holds another epoch')
      if (batch.last <= reached) continue
      if (batch.prev > reached) return lost('log', 'the log does not reach back far enough')
      const end = Math.min(batch.last, goal.ceiling)
      const events = between(batch.open(), reached, end)
      if (events.length > 0) batches.push(events)
      reached = end
    }
  } catch (error) {
    if (error instanceof EnvelopeError) return unreadable(error.message)
    throw error
  }
  if (reached === at.offset && reached < target) {
    if (meta.head > reached) return lost('log', 'the log was trimmed')
    return { kind: 'wait', why: 'Redis came back older than what was heard' }
  }
  return { kind: 'read', batches, reached, complete: reached >= target }
}

function lost(loss: Loss, why: string): PageReading {
  return { kind: 'lost', loss, why }
}

/** Takes what cannot be read for a gap: nothing is guessed. */
function unreadable(why: string): PageReading {
  return { kind: 'lost', loss: 'continuity', why: `unreadable log: ${why}`, unreadable: true }
}

/**
 * Decodes an entry of the log, if it is not decoded yet.
 * @throws EnvelopeError
 */
export function openEntry(entry: Uint8Array | SealedBatch): SealedBatch {
  if (!(entry instanceof Uint8Array)) return entry
  const message = decode(entry)
  if (message.kind !== 'batch') throw new EnvelopeError('a state in the log')
  return message
}
