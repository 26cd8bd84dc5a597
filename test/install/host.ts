/** A Debian in a folder, as a host without an init system: programs are started in it by hand. */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../deploy/debian/run.mjs'
import { startGuarded, type Guarded } from '../support/guard.mjs'

/** What package managers keep for themselves, and what is not on the disk. */
const NOT_COMPARED =
  /^\/(debs|dev|proc|run|sys|tmp|root|var\/(cache|log|lib\/(dpkg|apt|rabbitmq|redis)))(\/|$)/
/** Files that follow every change of users or libraries. */
const DERIVED = /^\/etc\/((passwd|group|shadow|gshadow|subuid|subgid)-?|ld\.so\.cache)$/

export class Host {
  private readonly root: string

  constructor(root: string) {
    this.root = root
  }

  async mount(): Promise<void> {
    await run('ip', ['link', 'set', 'lo', 'up'])
    // As an installer writes it.
    await writeFile(join(this.root, 'etc/hosts'), '127.0.0.1 localhost\n')
    await run('mount', ['-t', 'proc', 'proc', join(this.root, 'proc')])
    await run('mount', ['--rbind', '/dev', join(this.root, 'dev')])
  }

  /** Runs a program as root. @throws Error with its last lines, when it fails. */
  run(command: string, ...args: string[]): Promise<string> {
    return run('chroot', [this.root, command, ...args], {
      env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
    })
  }

  /** Starts a program as `user`; the process is the program. */
  start(user: string, env: Readonly<Record<string, string>>, command: string, ...args: string[]): Guarded {
    return startGuarded('chroot', [`--userspec=${user}:${user}`, this.root, command, ...args], {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env },
    })
  }

  /** All paths but those that every installation changes, sorted. */
  async paths(): Promise<string[]> {
    const found: string[] = []
    const folders = ['']
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop())
      for (const entry of await readdir(join(this.root, folder), { withFileTypes: true })) {
        const path = `${folder}/${entry.name}`
        if (NOT_COMPARED.test(path) || DERIVED.test(path)) continue
        found.push(path)
        if (entry.isDirectory()) folders.push(path)
      }
    return found.sort()
  }
}
