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

/** The account that a program started as root without `user` becomes, where it exists. */
const DEFAULT_USER = 'wazo-websocketd'
const STAYS_ROOT = `user: started as root without it, and there is no account ${DEFAULT_USER}: stays root; set user`

/** An account and its name. */
interface NamedAccount extends Account {
  readonly name: string
}

export interface Privileges {
  /** Whom the process has become; null: it is who it was. */
  readonly user: string | null
  /** For the log; null: nothing to say. */
  readonly warning: string | null
}

/**
 * The account to become: `user`, or when that is null `wazo-websocketd`; null: none, since this is not root, or root
 * is wanted, or nobody is named and there is no such account.
 * @throws StartupError with status 78 naming the key `user`, when there is no such user.
 */
export function accountToBecome(user: string | null, on: PrivilegeSystem = system): NamedAccount | null {
  if (user === 'root' || !on.isRoot()) return null
  const name = user ?? DEFAULT_USER
  try {
    return { name, ...on.lookUp(name) }
  } catch {
    if (user === null) return null
    throw new StartupError(
      `user: there is no user ${user} on this machine; create it or change the key user`,
      STATUS_CONFIG,
    )
  }
}

/**
 * Becomes the account of `accountToBecome`. The log file is given to it first, or it could not be written afterwards.
 * @throws StartupError naming the key `user` or `log_file`.
 */
export function dropPrivileges(
  user: string | null,
  logFile: string | null,
  on: PrivilegeSystem = system,
): Privileges {
  const account = accountToBecome(user, on)
  if (account === null) return { user: null, warning: user === null && on.isRoot() ? STAYS_ROOT : null }
  if (logFile !== null) giveLog(logFile, account, on)
  become(account, on)
  return { user: account.name, warning: null }
}

/**
 * What is to be said of `user` before the start, one line each.
 * @throws StartupError with status 78 naming the key `user`, when the start would fail.
 */
export function userWarnings(user: string | null, on: PrivilegeSystem = system): readonly string[] {
  if (on.isRoot()) return accountToBecome(user, on) === null && user === null ? [STAYS_ROOT] : []
  try {
    if (user !== null) on.lookUp(user)
    return []
  } catch {
    return [`user: there is no user ${user ?? ''} on this machine: it does not start as root`]
  }
}

/** @throws StartupError naming the key `user`. */
export function become(account: NamedAccount, on: PrivilegeSystem = system): void {
  try {
    on.become(account)
  } catch (error) {
    throw new StartupError(
      `user: cannot become ${account.name}: ${describeSystemError(error)}`,
      STATUS_CONFIG,
    )
  }
}

function giveLog(file: string, { name, uid, gid }: NamedAccount, on: PrivilegeSystem): void {
  try {
    on.give(file, uid, gid)
  } catch (error) {
    // Without room for the file there is no log until it is opened later.
    if (!isShortage(error))
      throw new StartupError(`log_file: cannot give ${file} to ${name}: ${describeSystemError(error)}`)
  }
}
