import { spawnSync } from 'node:child_process'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { once } from 'node:events'
import { startAdminSocket, type AdminSocket } from '@wazo-websocketd/shared/runtime/admin-socket'
import { expect } from 'chai'
import { temporaryDirectory } from '../../../support/guard.mjs'

describe('the admin socket', () => {
  let path: string
  const opened: AdminSocket[] = []
  const start = async (at = path) => void opened.push(await startAdminSocket(at, new Map()))
  const failure = (at: string) =>
    startAdminSocket(at, new Map()).then(
      () => 'it listens',
      (error: unknown) => (error as Error).message,
    )
  /** Whether something answers there. */
  const answers = async () => {
    const socket = connect(path)
    await once(socket, 'connect')
    socket.destroy()
  }

  beforeEach(async () => {
    path = join(await temporaryDirectory('admin-socket'), 'edge.sock')
  })
  afterEach(async () => {
    for (const socket of opened.splice(0)) await socket.close()
  })

  it('is for owner and group alone, whatever the umask, and is gone at the end', async () => {
    const before = process.umask(0)
    await start()
    expect(process.umask(before)).to.equal(0)
    expect(statSync(path).mode & 0o777).to.equal(0o660)
    await opened.pop()!.close()
    expect(existsSync(path)).to.equal(false)
  })

  it('replaces what a killed program has left', async () => {
    const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', program])
    expect(statSync(path).isSocket()).to.equal(true)
    await start()
    await answers()
  })

  it('leaves the socket of a program that runs alone, and names it', async () => {
    await start()
    expect(await failure(path))
      .to.include(path)
      .and.include('in use')
    await answers()
  })

  it('never removes a file that is no socket', async () => {
    writeFileSync(path, 'precious')
    expect(await failure(path)).to.include('no socket')
    expect(existsSync(path)).to.equal(true)
  })

  it('names a directory that is missing', async () => {
    expect(await failure(join(path, '..', 'none', 'edge.sock'))).to.include('its directory does not exist')
  })
})
