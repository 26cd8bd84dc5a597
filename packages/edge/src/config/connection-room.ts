/** Sockets beyond the worker's sessions: clients that are turned away with a close frame. */
const TURNED_AWAY_SOCKETS = 1_024
/** Files of a worker that are no client's sockets: Redis, wazo-auth, pipes, libraries. */
const OTHER_FILES = 128
/** Of a small limit so large a share is left to clients all the same. */
const SOCKETS_SHARE_MIN = 0.5
/** Where few sockets fit, so many of them are kept for clients that are turned away. */
const TURNED_AWAY_SHARE = 0.1

/** How many clients a worker has room for. */
export interface ConnectionRoom {
  readonly connections: number
  /** Those included that are turned away. */
  readonly sockets: number
}

/**
 * Fits `limits.connections_per_worker` into the files that a process may have open: a worker without a free file
 * descriptor can neither take a connection nor say so, nor reach Redis and wazo-auth.
 * @param openFilesMax of the process; Infinity where it is not known
 */
export function connectionRoom(connectionsPerWorker: number, openFilesMax: number): ConnectionRoom {
  const fit = Math.floor(Math.max(openFilesMax - OTHER_FILES, openFilesMax * SOCKETS_SHARE_MIN))
  const sockets = Math.min(connectionsPerWorker + TURNED_AWAY_SOCKETS, fit)
  const turnedAway = Math.min(TURNED_AWAY_SOCKETS, Math.ceil(sockets * TURNED_AWAY_SHARE))
  const connections = Math.max(1, Math.min(connectionsPerWorker, sockets - turnedAway))
  return { connections, sockets }
}
