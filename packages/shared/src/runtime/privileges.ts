import { execFileSync } from 'node:child_process'
import { chownSync, closeSync, openSync } from 'node:fs'
import { describeSystemError, isShortage } from './system-error.js'
import { STATUS_CONFIG, StartupError } from './startup-error.js'

export interface Account {
  readonly uid: number
  readonly gid: number
  /** All its groups: a certificate's key is often readable through one of them. */
  readonly groups: readonly number[]
}

/** The calls of the system that dropping privileges takes; replaced in tests. */
export interface PrivilegeSystem {
  /** Whether this process runs as root. */
  isRoot(): boolean
  /** @throws when there is no such user. */
  lookUp(user: string): Account
  /** Creates the file if it is missing, and gives it to the user. */
  give(file: string, uid: number, gid: number): void
  become(account: Account): void
}

const system: PrivilegeSystem = {
  isRoot: () => process.getuid?.() === 0,
  lookUp: (user) => ({
    uid: Number(id('-u', user)),
    gid: Number(id('-g', user)),
    groups: id('-G', user).split(' ').map(Number),
  }),
  give(file, uid, gid) {
    closeSync(openSync(file, 'a', 0o640))
    chownSync(file, uid, gid)
  },
  become({ uid, gid, groups }) {
    process.setgroups?.([...groups])
    process.setgid?.(gid)
    process.setuid?.(uid)
  },
}

/** Asks `id`, which knows the users of every name service, not only those of /etc/passwd. */
function id(option: '-u' | '-g' | '-G', user: string): string {
  return execFileSync('id', [option, '--', user], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim()
}

/**
 * Becomes `user` when the program was started as root; does nothing otherwise, or when `user` is null.
 * The log file is given to the user first, or it could not be written afterwards.
 * @returns whether the privileges were dropped.
 * @throws StartupError naming the key `user` or `log_file`.
 */
export function dropPrivileges(
  user: string | null,
  logFile: string | null,
  on: PrivilegeSystem = system,
): boolean {
  if (user === null || user === 'root' || !on.isRoot()) return false
  let account: Account
  try {
    account = on.lookUp(user)
  } catch {
    throw new StartupError(
      `user: there is no user ${user} on this machine; create it or change the key user`,
      STATUS_CONFIG,
    )
  }
  if (logFile !== null) {
    try {
      on.give(logFile, account.uid, account.gid)
    } catch (error) {
      // Without room for the file there is no log until it is opened later.
      if (!isShortage(error))
        throw new StartupError(`log_file: cannot give ${logFile} to ${user}: ${describeSystemError(error)}`)
    }
  }
  on.become(account)
  return true
}
