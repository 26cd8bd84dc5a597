/** When a token is checked again. Pure; times are milliseconds. */

/** The time until the next check, given the time left until the token expires; never later than that. */
export type RecheckRule = (leftMs: number) => number

const SECOND_MS = 1_000
const SOON_MS = 15 * SECOND_MS
const SHORT_MS = 80 * SECOND_MS
const SHORT_STEP_MS = 60 * SECOND_MS
const LONG_MS = 57_600 * SECOND_MS
const LONG_STEP_MS = 43_200 * SECOND_MS
const SHARE_OF_LEFT = 0.75

/** `auth_check_strategy: dynamic`: the more is left, the later. */
export function dynamicRule(leftMs: number): number {
  if (leftMs <= 0) return 0
  if (leftMs < SOON_MS) return leftMs
  if (leftMs <= SHORT_MS) return Math.min(leftMs, SHORT_STEP_MS)
  if (leftMs <= LONG_MS) return leftMs * SHARE_OF_LEFT
  return LONG_STEP_MS
}

/** `auth_check_strategy: static`: every `intervalMs` (`auth_check_static_interval`). */
export function staticRule(intervalMs: number): RecheckRule {
  return (leftMs) => Math.max(0, Math.min(leftMs, intervalMs))
}
