/** Limits of this machine against those of the configuration. */
import { connectionRoom } from '../../config/connection-room.js'
import { ok, warning, type Finding } from '../finding.js'

const CHECK = 'open files'

/** @param openFilesMax of a worker that runs, or of this process where none does (`running` false) */
export function checkOpenFiles(
  connectionsPerWorker: number,
  openFilesMax: number,
  running: boolean,
): Finding {
  const whose = running ? 'a worker' : 'a process started here'
  const { connections } = connectionRoom(connectionsPerWorker, openFilesMax)
  if (connections >= connectionsPerWorker)
    return ok(CHECK, `${whose} may have ${openFilesMax}, enough for ${connections} connections`)
  return warning(
    CHECK,
    `${whose} may have ${openFilesMax}: ${connections} connections, not limits.connections_per_worker ${connectionsPerWorker}`,
    `LimitNOFILE=${connectionsPerWorker + 2_000} in the unit, or ulimit -n; or lower the limit`,
  )
}
