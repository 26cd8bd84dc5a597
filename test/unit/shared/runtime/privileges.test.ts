import { dropPrivileges, type PrivilegeSystem } from '@wazo-websocketd/shared/runtime/privileges'
import { StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import { expect } from 'chai'

const ACCOUNT = { uid: 33, gid: 34, groups: [34, 107] }

function system(overrides: Partial<PrivilegeSystem> = {}): { on: PrivilegeSystem; calls: unknown[] } {
  const calls: unknown[] = []
  const on: PrivilegeSystem = {
    isRoot: () => true,
    lookUp: () => ACCOUNT,
    give: (...args) => void calls.push(['give', ...args]),
    become: (account) => void calls.push(['become', account]),
    ...overrides,
  }
  return { on, calls }
}

describe('dropping privileges', () => {
  it('gives the log file to the user before it becomes the user', () => {
    const { on, calls } = system()
    expect(dropPrivileges('www-data', '/var/log/x.log', on)).to.equal(true)
    expect(calls).to.deep.equal([
      ['give', '/var/log/x.log', 33, 34],
      ['become', ACCOUNT],
    ])
  })

  it('does nothing without a user, for root itself, or when not started as root', () => {
    const { on, calls } = system()
    expect(dropPrivileges(null, '/x', on)).to.equal(false)
    expect(dropPrivileges('root', '/x', on)).to.equal(false)
    expect(dropPrivileges('www-data', '/x', { ...on, isRoot: () => false })).to.equal(false)
    expect(calls).to.deep.equal([])
  })

  it('names the key user when there is no such user', () => {
    const { on } = system({
      lookUp: () => {
        throw new Error('id: no such user')
      },
    })
    const error = throws(() => dropPrivileges('ghost', null, on))
    expect(error).to.be.instanceOf(StartupError).with.property('status', 78)
    expect(String(error)).to.include('user: there is no user ghost on this machine')
  })

  it('names the key log_file when it cannot be given away, and stays root', () => {
    const { on, calls } = system({
      give: () => {
        throw Object.assign(new Error('x'), { code: 'ENOENT' })
      },
    })
    expect(() => dropPrivileges('www-data', '/nowhere/x.log', on)).to.throw(
      StartupError,
      'log_file: cannot give /nowhere/x.log to www-data: no such file',
    )
    expect(calls).to.deep.equal([])
  })
})

function throws(attempt: () => unknown): unknown {
  try {
    attempt()
    return undefined
  } catch (error) {
    return error
  }
}
