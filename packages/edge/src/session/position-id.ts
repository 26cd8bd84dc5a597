/** The text by which clients know positions (PROTOCOL.md, "Positions"): opaque to them, and no secret. Pure. */
import type { Epoch, Position, Positions } from '@wazo-websocketd/shared/domain/position'

const BETWEEN_PARTITIONS = '_'
const BETWEEN_FIELDS = '.'
const RADIX = 36
/** Longest text that is looked at, in characters: far above that of any number of partitions. */
const CHARACTERS_MAX = 16_384
const NUMBER = /^[0-9a-z]{1,11}$/

/**
 * Returns the text of positions in rising order of their partitions: `<epoch>.<partition>.<offset>` for each, numbers
 * to the base of 36, and the epoch only where it is another than before. With one partition it has at most 50
 * characters, all of them allowed in a URL.
 */
export function positionId(positions: Iterable<readonly [number, Position]>): string {
  const parts: string[] = []
  let before: Epoch | null = null
  for (const [partition, { epoch, offset }] of positions) {
    const named = epoch === before ? '' : encodeURIComponent(epoch)
    parts.push([named, partition.toString(RADIX), offset.toString(RADIX)].join(BETWEEN_FIELDS))
    before = epoch
  }
  return parts.join(BETWEEN_PARTITIONS)
}

/** Returns the positions that a client presents; null: it is no text of `positionId`. */
export function parsePositionId(text: string): Positions | null {
  if (text.length > CHARACTERS_MAX) return null
  const positions = new Map<number, Position>()
  let epoch: Epoch | null = null
  for (const part of text.split(BETWEEN_PARTITIONS)) {
    const [named, partitionText, offsetText, ...rest] = part.split(BETWEEN_FIELDS)
    if (named === undefined || rest.length > 0) return null
    if (named !== '') epoch = decoded(named)
    const [partition, offset] = [numberOf(partitionText), numberOf(offsetText)]
    if (epoch === null || partition === null || offset === null || positions.has(partition)) return null
    positions.set(partition, { epoch, offset })
  }
  return positions
}

function numberOf(text: string | undefined): number | null {
  if (text === undefined || !NUMBER.test(text)) return null
  const value = Number.parseInt(text, RADIX)
  return Number.isSafeInteger(value) ? value : null
}

function decoded(text: string): Epoch | null {
  try {
    return decodeURIComponent(text) as Epoch
  } catch {
    return null // a malformed percent-encoding
  }
}
