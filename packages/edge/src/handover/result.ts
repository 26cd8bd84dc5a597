import { OBSTACLES } from '../socket/detach/obstacle.js'
import { RETURN_REASONS } from './messages.js'

/** What became of a connection at a hand-over: it has moved, or why it has not. */
export const HANDOVER_RESULTS = [
  'moved',
  ...OBSTACLES,
  ...RETURN_REASONS,
  /** The session waited for an answer. */
  'unsettled',
  /** The channel to the primary was gone. */
  'no-primary',
  /** The time for hand-overs was up. */
  'given-up',
] as const

export type HandoverResult = (typeof HANDOVER_RESULTS)[number]
