/** Why a connection cannot be detached now, as metrics label it. The set is fixed. */
export const OBSTACLES = [
  'tls',
  'compression',
  'closing',
  'unsupported',
  'mid-frame',
  'mid-message',
  'unsent',
] as const

export type Obstacle = (typeof OBSTACLES)[number]

/** Obstacles that go away by themselves while the connection works, so that waiting a little is worth it. */
const TRANSIENT: ReadonlySet<Obstacle> = new Set<Obstacle>(['mid-frame', 'mid-message', 'unsent'])

/** A connection that stays where it is, and works on. */
export interface DetachRefusal {
  readonly reason: Obstacle
  /** Whether the obstacle may be gone in some milliseconds. */
  readonly transient: boolean
}

export function refusedBy(reason: Obstacle): DetachRefusal {
  return { reason, transient: TRANSIENT.has(reason) }
}
