/** Ten ACLs, half of them with `me`; all admit `events.calls.*`. Pure. */
export const ACL_SETS: readonly (readonly string[])[] = Array.from({ length: 10 }, (_, i) => [
  'websocketd',
  'events.calls.*',
  `confd.lines.${i}.read`,
  `calld.#.${i}`,
  '!events.voicemails.secret',
  ...(isPersonal(i) ? ['events.users.me.#', 'dird.personal.me.*'] : ['events.agents.#']),
])

/** Whether ACL number `i` has patterns with `me`. */
export function isPersonal(i: number): boolean {
  return i % 2 === 0
}

/** What events of the bench require, unless something else is wanted. */
export const REQUIRED_ACL = 'events.calls.bench'

/**
 * Decisions that have to be made, once each, for events that require `strings` different ACLs, and for events that
 * name `owners` users of one session each, in each of the workers that have sessions of all sets.
 * @param owners - The set of each of those users.
 */
export function distinctDecisions(workers: number, strings: number, owners: readonly number[]): number {
  const byClass = workers * ACL_SETS.length * (strings + owners.length)
  return byClass + owners.filter(isPersonal).length
}
