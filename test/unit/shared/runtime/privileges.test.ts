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
    expect(dropPrivileges('www-data', '/var/log/x.log', on)).to.deep.equal({
      user: 'www-data',
      warning: null,
    })
    expect(calls).to.deep.equal([
      ['give', '/var/log/x.log', 33, 34],
      ['become', { name: 'www-data', ...ACCOUNT }],
    ])
  })

  it('does nothing for root itself, or when not started as root', () => {
    const { on, calls } = system()
    const nothing = { user: null, warning: null }
    expect(dropPrivileges('root', '/x', on)).to.deep.equal(nothing)
    expect(dropPrivileges('www-data', '/x', { ...on, isRoot: () => false })).to.deep.equal(nothing)
    expect(dropPrivileges(null, '/x', { ...on, isRoot: () => false })).to.deep.equal(nothing)
    expect(calls).to.deep.equal([])
  })

  it('becomes wazo-websocketd when nobody is named', () => {
    const names: string[] = []
    const { on, calls } = system({ lookUp: (user) => (names.push(user), ACCOUNT) })
    expect(dropPrivileges(null, null, on)).to.deep.equal({ user: 'wazo-websocketd', warning: null })
    expect(names).to.deep.equal(['wazo-websocketd'])
    expect(calls).to.deep.equal([['become', { name: 'wazo-websocketd', ...ACCOUNT }]])
  })

  it('stays root with a warning when nobody is named and that account does not exist', () => {
    const { on, calls } = system({
      lookUp: () => {
        throw new Error('id: no such user')
      },
    })
    const { user, warning } = dropPrivileges(null, '/x', on)
    expect(user).to.equal(null)
    expect(warning).to.match(/^user: started as root without it, and there is no account wazo-websocketd/)
    expect(calls).to.deep.equal([])
  })

  it('names the key user when the system does not let it become the user', () => {
    const { on } = system({
      become: () => {
        throw Object.assign(new Error('x'), { code: 'EPERM' })
      },
    })
    expect(() => dropPrivileges('www-data', null, on)).to.throw(
      StartupError,
      'user: cannot become www-data: permission denied',
    )
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
