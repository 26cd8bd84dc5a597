import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { makeCertificates, type Certificates } from '../support/certificates.js'
import { Cluster, edgeHost } from '../support/cluster.js'
import { temporaryDirectory } from '../support/guard.mjs'
import { freePort } from '../support/port.mjs'
import { startProgram, type Program } from '../support/program.mjs'
import { waitFor } from '../support/wait.mjs'

const USER = 'nobody'
const STATUS_CONFIG = 78

/** Lets everybody search the folders between the temporary folder and `directory`. */
function letPass(directory: string): void {
  for (let each = directory; each.startsWith(tmpdir()); each = dirname(each))
    if ((statSync(each).mode & 0o001) === 0) chmodSync(each, statSync(each).mode | 0o011)
}

/** Whether the user may read a file: a clone in a home directory is no place for a service. */
function canRead(file: string): boolean {
  const uid = Number(execFileSync('id', ['-u', USER]))
  return spawnSync('test', ['-r', file], { uid }).status === 0
}

describe('an edge that is started as root, with a user to become (needs root, and a clone that others may read)', function () {
  this.timeout(120_000)
  let cluster: Cluster
  let first: Certificates
  let directory: string
  let port: number
  let adminPort: number
  let running: Program | undefined

  before(async function () {
    if (process.getuid?.() !== 0) this.skip()
    cluster = await Cluster.start({ name: 'user-reload', edges: 0, workers: 1 })
    first = await makeCertificates()
    directory = await temporaryDirectory('user')
    letPass(directory)
    if (!canRead(fileURLToPath(import.meta.url))) this.skip()
    ;[port, adminPort] = [await freePort(), await freePort()]
  })
  after(() => cluster.stop())
  afterEach(() => running?.stop())

  /** Puts a certificate and its key, which has this mode, into place as a renewal does: by rename. */
  function install({ certificate, key }: Certificates, mode: number): void {
    for (const [from, name] of [
      [certificate, 'tls.pem'],
      [key, 'tls.key'],
    ] as const) {
      const fresh = join(directory, `${name}.new`)
      copyFileSync(from, fresh)
      chmodSync(fresh, from === key ? mode : 0o644)
      renameSync(fresh, join(directory, name))
    }
  }

  /** The configuration file is root's own, in a directory that everybody may search, unless `readable`. */
  async function start(readable = true): Promise<Program> {
    const config = {
      ...cluster.edgeConfig(port, adminPort),
      user: USER,
      websocket: { port, certificate: join(directory, 'tls.pem'), private_key: join(directory, 'tls.key') },
    }
    const file = join(directory, 'config.yml')
    writeFileSync(file, JSON.stringify({ extra_config_files: directory, ...config }))
    chmodSync(file, readable ? 0o644 : 0o600)
    // The user may not write the coverage.
    return (running = await startProgram('edge', { configFile: file, env: { NODE_V8_COVERAGE: '' } }))
  }

  async function refusal(program: Program): Promise<string> {
    expect(await program.exit).to.deep.include({ code: STATUS_CONFIG })
    const lines = program.logs().trim().split('\n')
    expect(lines).to.have.length(1)
    return lines[0]!
  }

  it('refuses to start where a reload could not read the private key, and names file and user', async () => {
    install(first, 0o600)
    const line = await refusal(await start())
    expect(line)
      .to.include(`user: ${USER}`)
      .and.include('websocket.private_key')
      .and.include('permission denied')
    expect(line).to.include(join(directory, 'tls.key')).and.include('chgrp')
  })

  it('or the configuration', async () => {
    install(first, 0o644)
    const line = await refusal(await start(false))
    expect(line).to.include(`user: ${USER}`).and.include(join(directory, 'config.yml'))
  })

  it('serves, and takes a renewed certificate up at a reload', async () => {
    install(first, 0o644)
    const program = await start()
    const edge = edgeHost(program, port, adminPort)
    await program.ready(adminPort, 40_000)
    const status = readFileSync(`/proc/${program.pid}/status`, 'utf8')
    expect(status).to.not.match(/^Uid:\s0\s/m)
    const before = await serial(port)
    const second = await makeCertificates()
    install(second, 0o644)
    program.kill('SIGHUP')
    await waitFor(async () => (await edge.metric('upgrades_total', { result: 'success' })) === 1, {
      timeoutMs: 30_000,
      what: 'the reload',
    })
    expect(await serial(port)).to.not.equal(before)
    // One that only root may read fails a later reload, is named, and what serves goes on.
    install(first, 0o600)
    program.kill('SIGHUP')
    await waitFor(async () => (await edge.metric('upgrade_failed')) === 1, {
      timeoutMs: 30_000,
      what: 'the refusal',
    })
    expect(program.logs()).to.match(/websocket.private_key: cannot read \S+tls.key: permission denied/)
    await serial(port)
    expect((await program.stop()).code).to.equal(0)
  })
})

/** The serial number of the certificate that is served. */
function serial(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}
