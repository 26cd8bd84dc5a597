import type { Position } from '@wazo-websocketd/shared/domain/position'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { LogUnavailableError, READ_RETRY_MS } from './log.js'
import { readPage, type Page } from './page.js'
import type { Reach } from './ports.js'

export interface ReachQuestion {
  readonly position: Position
  /** The worker's own cursor, or null when it has none (any more). */
  readonly cursor: () => Position | null
  /** Reads what follows the position. */
  readonly page: () => Promise<Page>
  readonly clock: Pick<Clock, 'after'>
}

/**
 * Finds out whether the log still holds everything above a position. Asks again while Redis does not answer, until the
 * worker has no cursor any more: then the sessions of the partition end anyway.
 */
export async function askReach({ position, cursor, page, clock }: ReachQuestion): Promise<Reach> {
  for (;;) {
    const at = cursor()
    if (at?.epoch !== position.epoch) return 'other epoch'
    if (position.offset === at.offset) return 'reached'
    const answer = await page().then((read) => reachOf(position, at, read), unavailable)
    if (answer !== null) return answer
    await new Promise<void>((resolve) => clock.after(READ_RETRY_MS, resolve))
  }
}

/** null: to be asked again. */
function reachOf(position: Position, cursor: Position, page: Page): Reach | null {
  // Nothing has been published at a position that no worker can have come to.
  if (page.meta?.epoch === position.epoch && position.offset > Math.max(page.meta.head, cursor.offset))
    return 'unknown'
  const goal = Math.max(cursor.offset, position.offset)
  const reading = readPage(position, page, { lastSeen: goal, ceiling: goal })
  if (reading.kind === 'wait') return null
  if (reading.kind === 'read') return 'reached'
  return reading.loss === 'log' ? 'too old' : 'other epoch'
}

function unavailable(error: unknown): null {
  if (!(error instanceof LogUnavailableError)) throw error
  return null
}
