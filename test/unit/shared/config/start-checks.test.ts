import { ConfigError } from '@wazo-websocketd/shared/config/error'
import type { Program } from '@wazo-websocketd/shared/config/checks'
import { resolve } from '@wazo-websocketd/shared/config/resolve'
import { startChecks, type StartFindings } from '@wazo-websocketd/shared/config/start-checks'
import { treeOf } from '@wazo-websocketd/shared/config/tree'
import type { PrivilegeSystem } from '@wazo-websocketd/shared/runtime/privileges'
import { expect } from 'chai'
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCertificates, type Certificates } from '../../../support/certificates.js'

const EDGE = 'wazo-websocketd-edge'
const INGEST = 'wazo-websocketd-ingest'
const ACCOUNT = { uid: 33, gid: 34, groups: [34] }

interface Options {
  readonly program?: Program
  readonly isRoot?: boolean
  readonly readAgain?: () => void
}

type Values = Readonly<Record<string, unknown>>

describe('the checks before a start', () => {
  let directory: string
  let pems: Certificates
  let became: string[]

  before(async () => {
    pems = await makeCertificates()
    chmodSync(pems.key, 0o600)
  })
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'websocketd-start-'))
    became = []
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  function privileges(isRoot: boolean): PrivilegeSystem {
    return {
      isRoot: () => isRoot,
      lookUp(user) {
        if (user !== 'www-data') throw new Error('no such user')
        return ACCOUNT
      },
      give: () => expect.fail('gives a file away'),
      become: (account) => void became.push(JSON.stringify(account)),
    }
  }

  function check(
    values: Values,
    { program = EDGE, isRoot = false, readAgain = (): void => undefined }: Options = {},
  ): StartFindings {
    const { config, settings } = resolve(treeOf(maps(values), 'f.yml'))
    const reading = { config, settings, warnings: [], notes: [], problems: [] }
    return startChecks({ program, reading, readAgain, privileges: privileges(isRoot) })
  }

  const file = (name: string, mode = 0o600): string => {
    const path = join(directory, name)
    writeFileSync(path, 'x', { mode })
    chmodSync(path, mode)
    return path
  }

  it('find nothing in a configuration that starts', () => {
    const websocket = { certificate: pems.certificate, private_key: pems.key, listen: '127.0.0.1' }
    const log_file = join(directory, 'x.log')
    const nothing = { problems: [], warnings: [] }
    expect(check({ websocket, log_file, user: 'www-data' }, { isRoot: true })).to.deep.equal(nothing)
    expect(check({ websocket, log_file, user: 'www-data' })).to.deep.equal(nothing)
    expect(became).to.deep.equal([JSON.stringify({ name: 'www-data', ...ACCOUNT })])
    expect(readdirSync(directory), 'creates nothing').to.deep.equal([])
  })

  it('name certificates and keys that cannot be read or used', () => {
    const certificate = '/nowhere/c.pem'
    expect(check({ websocket: { certificate, private_key: pems.key } }).problems).to.deep.equal([
      `websocket.certificate: cannot read ${certificate}: no such file`,
    ])
    const broken = { certificate: pems.certificate, private_key: file('k.pem') }
    expect(check({ websocket: broken }).problems.join()).to.include('are not a usable pair')
    expect(check({ redis: { tls: { ca: certificate } } }).problems.join()).to.match(/^redis\.tls\.ca: /)
    expect(check({ auth: { verify_certificate: certificate } }).problems.join()).to.match(
      /^auth\.verify_certificate: /,
    )
  })

  it('look only at the files that the program reads', () => {
    const bus = { tls: { ca: '/nowhere/ca.pem' } }
    const websocket = { certificate: '/nowhere/c.pem', private_key: '/nowhere/k.pem', listen: '203.0.113.9' }
    expect(check({ bus }).problems).to.deep.equal([])
    expect(check({ bus, websocket }, { program: INGEST }).problems).to.deep.equal([
      'bus.tls.ca: cannot read /nowhere/ca.pem: no such file',
    ])
  })

  it('name a log file that could not be written', () => {
    const log = (log_file: string): string => check({ log_file }).problems.join()
    expect(log('/nowhere/x.log')).to.equal('log_file: the directory /nowhere does not exist')
    expect(log(directory)).to.equal(`log_file: ${directory} is a directory, not a file`)
    expect(log(join(file('f'), 'x.log'))).to.match(/^log_file: cannot open /)
  })

  it('name listen addresses that this machine does not have', () => {
    expect(check({ websocket: { listen: '203.0.113.9' } }).problems).to.deep.equal([
      'websocket.listen: 203.0.113.9 is not an address of this machine',
    ])
    expect(check({ metrics: { listen: '203.0.113.9' } }, { program: INGEST }).problems).to.deep.equal([
      'metrics.listen: 203.0.113.9 is not an address of this machine',
    ])
    expect(check({ websocket: { listen: '' }, metrics: { listen: null } }).problems).to.deep.equal([])
  })

  it('name an unknown user: an error for root, a warning for anybody else', () => {
    const unknown = 'user: there is no user ghost on this machine'
    expect(check({ user: 'ghost' }, { isRoot: true }).problems.join()).to.include(unknown)
    const { problems, warnings } = check({ user: 'ghost' })
    expect(problems).to.deep.equal([])
    expect(warnings.join()).to.include(unknown)
    expect(check({}, { isRoot: true }).warnings.join()).to.include('stays root')
    expect(check({ user: 'root' }, { isRoot: true }).warnings).to.deep.equal([])
  })

  it('read everything again as the user, and say what that user cannot read', () => {
    const readAgain = (): never => {
      throw new ConfigError(['/k.yml: permission denied'])
    }
    const message = 'user: www-data cannot read what each reload reads: /k.yml: permission denied'
    const options = { isRoot: true, readAgain }
    expect(check({ user: 'www-data' }, options).problems).to.deep.equal([message])
    expect(check({ user: 'www-data' }, { ...options, program: INGEST }).problems).to.deep.equal([])
  })

  it('warn about secrets that every user can read', () => {
    const key_file = file('key.yml', 0o644)
    expect(check({ auth: { key_file } }).warnings).to.deep.equal([
      `auth.key_file: ${key_file} can be read by every user (mode 644): chmod o-r`,
    ])
    expect(check({ auth: { key_file } }, { program: INGEST }).warnings).to.deep.equal([])
    chmodSync(key_file, 0o640)
    expect(check({ auth: { key_file } }).warnings).to.deep.equal([])
  })
})

function maps(values: Values): Map<string, unknown> {
  return new Map(
    Object.entries(values).map(([key, value]) => [
      key,
      typeof value === 'object' && value !== null ? maps(value as Values) : value,
    ]),
  )
}
