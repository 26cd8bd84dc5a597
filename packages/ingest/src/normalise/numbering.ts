import type { ConsumeMessage } from 'amqplib'
import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { CanaryMessage } from '../broker/canary.js'

/** A gap in the stream's numbering: an offset, and the next one delivered. */
export interface OffsetGap {
  readonly from: Offset
  readonly to: Offset
}

const GAPS_MAX = 1000
/** Messages that are held for a canary; a backlog from a time without ingests has none. */
const HELD_MAX = 250

/** Remembers gaps because of which the ingest has attached again: a gap that is met again is part of the stream. */
export class KnownGaps {
  private readonly names = new Set<string>()

  has({ from, to }: OffsetGap): boolean {
    return this.names.has(`${from}-${to}`)
  }

  add({ from, to }: OffsetGap): void {
    this.names.add(`${from}-${to}`)
    const [oldest] = this.names
    if (this.names.size > GAPS_MAX && oldest !== undefined) this.names.delete(oldest)
  }
}

export interface NumberingParts {
  readonly knownGaps: KnownGaps
  /** Takes a message with its offset. */
  readonly deliver: (message: ConsumeMessage, offset: Offset, canary: CanaryMessage | null) => void
  /** Called when a message waits for a canary, which proves its offset. */
  readonly requestCanary: () => void
}

/**
 * Gives every message of the stream its offset. The broker writes it into a header, but of a header that a publisher has
 * sent twice it replaces only one: so only the number that comes next is taken for granted. Any other message is held until
 * a canary comes, whose header only an ingest and the broker have written. How many messages came before the canary shows
 * whether their numbers are false, a skip of one (as where a segment of the stream ends), or a gap that has to be proven by
 * attaching again. Pure.
 */
export class Numbering {
  private readonly parts: NumberingParts
  private at: Offset
  private held: { readonly message: ConsumeMessage; readonly canary: CanaryMessage | null }[] = []
  private unprovenGap: OffsetGap | null = null

  /** The next message follows `at`. */
  constructor(at: Offset, parts: NumberingParts) {
    this.at = at
    this.parts = parts
  }

  /** A gap behind which no message is taken: attaching again has to prove it. */
  get gap(): OffsetGap | null {
    return this.unprovenGap
  }

  get isHolding(): boolean {
    return this.held.length > 0
  }

  /** Takes the next message; `canary` is the result of `readCanary`. The header of a canary can be believed. */
  take(message: ConsumeMessage, canary: CanaryMessage | null): void {
    if (this.unprovenGap !== null) return
    const offset = headerOffset(message)
    if (this.held.length === 0 && offset === this.at + 1) {
      this.at = offset
      this.parts.deliver(message, offset, canary)
      return
    }
    this.held.push({ message, canary })
    if (canary !== null || this.isEnough(offset)) this.numberHeld()
    else if (this.held.length === 1) this.parts.requestCanary()
  }

  /** Whether the last message has to do for a canary: with a possible number when HELD_MAX are held, else when twice as many are. */
  private isEnough(offset: Offset | null): boolean {
    const { length } = this.held
    const skipped = offset === null ? -1 : offset - this.at - length
    return length >= 2 * HELD_MAX || (length >= HELD_MAX && (skipped === 0 || skipped === 1))
  }

  /**
   * Numbers the held messages by the last one: a canary or, where none comes, any message. Of another message a number that is
   * too low counts as false, since offsets rise.
   */
  numberHeld(): void {
    const { held, at } = this
    const last = held.at(-1)
    if (last === undefined) return
    const end = headerOffset(last.message)
    const inHeader = end === null ? 0 : end - at - held.length
    const skipped = last.canary !== null ? inHeader : Math.max(0, inHeader)
    const gap = { from: at, to: at + skipped + 1 }
    if (skipped < 0 || (skipped > 1 && !this.parts.knownGaps.has(gap))) {
      this.unprovenGap = gap
      return
    }
    this.held = []
    let remaining = skipped
    for (const { message, canary } of held) {
      // A skip lies before the message whose header says so; where none does, before the last one.
      const step = message === last.message ? remaining : (headerOffset(message) ?? 0) - this.at - 1
      if (step === remaining || (step === 1 && remaining > 0)) {
        this.at += step
        remaining -= step
      }
      this.at++
      this.parts.deliver(message, this.at, canary)
    }
  }
}

/** The offset in a message's header, which a publisher may have forged; null: there is none. */
export function headerOffset(message: ConsumeMessage): Offset | null {
  const offset: unknown = message.properties.headers?.['x-stream-offset']
  return typeof offset === 'number' && Number.isSafeInteger(offset) ? offset : null
}
