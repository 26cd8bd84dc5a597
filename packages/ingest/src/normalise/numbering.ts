import type { Offset } from '@wazo-websocketd/shared/domain/position'
import type { ConsumeMessage } from 'amqplib'

/** From one offset of the stream to the next one delivered. */
export interface Jump {
  readonly from: Offset
  readonly to: Offset
}

const JUMPS_MAX = 1000
/** Messages that are held for a canary; in a backlog of a time without ingests there is none. */
const HELD_MAX = 250

/** Jumps of the stream's numbering that attaching again has been tried for: met again, they are part of the stream. */
export class Jumps {
  private readonly names = new Set<string>()

  has({ from, to }: Jump): boolean {
    return this.names.has(`${from}-${to}`)
  }

  add({ from, to }: Jump): void {
    this.names.add(`${from}-${to}`)
    const [oldest] = this.names
    if (this.names.size > JUMPS_MAX && oldest !== undefined) this.names.delete(oldest)
  }
}

export interface NumberingParts {
  readonly jumps: Jumps
  /** Takes a message with its offset. */
  readonly deliver: (message: ConsumeMessage, offset: Offset) => void
  /** A message waits for a canary that tells where it stands. */
  readonly ask: () => void
}

/**
 * Gives every message of the stream its offset. The broker writes it into a header, but of a header that a publisher has
 * sent twice it replaces only one: so only the number that comes next is taken for granted. Any other message is held until
 * a canary comes, whose header nobody else has written; how many messages came before it tells whether their numbers
 * are lies, a skip of one (as where a segment of the stream ends), or a jump that has to be proven by attaching again. Pure.
 */
export class Numbering {
  private readonly parts: NumberingParts
  private at: Offset
  private held: ConsumeMessage[] = []
  private unproven: Jump | null = null

  /** The next message follows `at`. */
  constructor(at: Offset, parts: NumberingParts) {
    this.at = at
    this.parts = parts
  }

  /** A jump because of which no more is taken: attaching again has to prove it. */
  get jump(): Jump | null {
    return this.unproven
  }

  get holds(): boolean {
    return this.held.length > 0
  }

  /** Takes the next message; `isCanary`: its header can be believed. */
  take(message: ConsumeMessage, isCanary: boolean): void {
    if (this.unproven !== null) return
    const claim = claimedOffset(message)
    if (this.held.length === 0 && claim === this.at + 1) {
      this.at = claim
      this.parts.deliver(message, claim)
      return
    }
    this.held.push(message)
    if (isCanary || this.isEnough(claim)) this.settle(isCanary)
    else if (this.held.length === 1) this.parts.ask()
  }

  /** Enough is held: the last one has to do, if what it claims can be, or else one of as many more. */
  private isEnough(claim: Offset | null): boolean {
    const { length } = this.held
    const skipped = claim === null ? -1 : claim - this.at - length
    return length >= 2 * HELD_MAX || (length >= HELD_MAX && (skipped === 0 || skipped === 1))
  }

  /** Judges what is held by its last message, as if that were a canary: none comes. Offsets rise, so less is a lie. */
  settle(isCanary = false): void {
    const { held, at } = this
    const last = held.at(-1)
    if (last === undefined) return
    const end = claimedOffset(last)
    const claimed = end === null ? 0 : end - at - held.length
    const skipped = isCanary ? claimed : Math.max(0, claimed)
    const jump = { from: at, to: at + skipped + 1 }
    if (skipped < 0 || (skipped > 1 && !this.parts.jumps.has(jump))) {
      this.unproven = jump
      return
    }
    this.held = []
    let left = skipped
    for (const message of held) {
      // Those that say so stand behind a skip; what none speaks of, the last one.
      const step = message === last ? left : (claimedOffset(message) ?? 0) - this.at - 1
      if (step === left || (step === 1 && left > 0)) {
        this.at += step
        left -= step
      }
      this.at++
      this.parts.deliver(message, this.at)
      if (this.unproven !== null) return
    }
  }
}

/** The offset that a message's header names; null: it names none. */
export function claimedOffset(message: ConsumeMessage): Offset | null {
  const claim: unknown = message.properties.headers?.['x-stream-offset']
  return typeof claim === 'number' && Number.isSafeInteger(claim) ? claim : null
}
