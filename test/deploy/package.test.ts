import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { connect } from '../support/client.js'
import { Cluster } from '../support/cluster.js'
import { merge, type Config } from '../support/config.js'
import { startGuarded, temporaryDirectory } from '../support/guard.mjs'
import { metric } from '../support/pages.js'
import { freePort } from '../support/port.mjs'
import { processes } from '../support/processes.mjs'
import { waitFor } from '../support/wait.mjs'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LIBRARY = '/usr/lib/wazo-websocketd'
const PROGRAMS = ['wazo-websocketd', 'wazo-websocketd-edge', 'wazo-websocketd-ingest']
const CONFFILES = [
  '/etc/logrotate.d/wazo-websocketd',
  '/etc/nginx/conf.d/wazo-websocketd.conf',
  '/etc/nginx/locations/https-available/wazo-websocketd',
  '/etc/rsyslog.d/wazo-websocketd.conf',
]
/** A path of the repository's own that has no business on a host. */
const FOREIGN =
  /\/(node_modules\/(typescript|mocha|tsx|eslint|msgpackr-extract)|@wazo-websocketd\/[a-z]+\/src|tests?)\/|\.(ts|map|tsbuildinfo)$/

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
const pinned = JSON.parse(readFileSync(join(ROOT, 'deploy/debian/node.json'), 'utf8')) as { version: string }

/** Builds the package, hardly compressed. */
async function build(umask: string, env: Record<string, string> = {}): Promise<string> {
  const out = await temporaryDirectory('package')
  const command = `umask ${umask} && exec "$0" deploy/debian/build.mjs --fast --out "$1"`
  const { stdout } = await run('sh', ['-c', command, process.execPath, out], {
    cwd: ROOT,
    env: { ...process.env, SOURCE_DATE_EPOCH: '1700000000', ...env },
  })
  return stdout.trim()
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

describe('the Debian package', function () {
  this.timeout(180_000)
  let deb: string
  /** Stands for the / of a host. */
  let root: string

  before(async function () {
    if (!existsSync('/usr/bin/dpkg-deb')) this.skip()
    deb = await build('022')
    root = await temporaryDirectory('root')
    await run('dpkg-deb', ['--extract', deb, root])
  })

  const field = async (name: string) => (await run('dpkg-deb', ['--field', deb, name])).stdout.trim()

  async function contents(): Promise<{ mode: string; owner: string; path: string }[]> {
    const { stdout } = await run('dpkg-deb', ['--contents', deb], { maxBuffer: 1 << 24 })
    return stdout
      .trim()
      .split('\n')
      .map((line) => {
        const [mode = '', owner = '', , , , path = ''] = line.split(/\s+/)
        return { mode, owner, path: path.slice(1) }
      })
  }

  /** A program as it stands in /usr/bin, for the place where the package was unpacked. */
  async function program(name: string): Promise<string> {
    const text = readFileSync(join(root, 'usr/bin', name), 'utf8')
    expect(text).to.contain(LIBRARY)
    const file = join(await temporaryDirectory('bin'), name)
    writeFileSync(file, text.replaceAll(LIBRARY, join(root, LIBRARY)), { mode: 0o755 })
    return file
  }

  it('has the same bytes whenever, wherever and by whom it is built', async () => {
    const elsewhere = await temporaryDirectory('elsewhere')
    const again = await build('077', { TMPDIR: elsewhere, TZ: 'Pacific/Auckland', LC_ALL: 'C.UTF-8' })
    expect(sha256(again)).to.equal(sha256(deb))
  })

  it('has a version above that of the package whose name it has, and asks for what its Node needs', async () => {
    expect(await field('Package')).to.equal('wazo-websocketd')
    await run('dpkg', ['--compare-versions', await field('Version'), 'gt', '99.99~20991231'])
    expect(await field('Version')).to.equal(`1:${version}`)
    expect(await field('Depends')).to.match(/\blibc6\b.*\blibgcc-s1\b.*\blibstdc\+\+6\b/)
    expect(await field('Recommends')).to.contain('redis-server')
  })

  it('leaves to administrators what is theirs', async () => {
    const { stdout } = await run('dpkg-deb', ['--info', deb, 'conffiles'])
    expect(stdout.trim().split('\n')).to.have.members(CONFFILES)
  })

  it('has what a host needs, owned by root, and nothing of a development', async () => {
    const files = await contents()
    const paths = new Set(files.map(({ path }) => path))
    for (const path of [
      ...CONFFILES,
      ...PROGRAMS.map((name) => `/usr/bin/${name}`),
      '/usr/bin/wazo-websocketd-wait-online',
      '/usr/bin/wazo-websocketd-ctl',
      '/usr/bin/wazo-websocketd-tail',
      '/usr/bin/wazo-websocketd-publish',
      '/etc/wazo-websocketd/conf.d/',
      '/lib/systemd/system/wazo-websocketd.service',
      '/lib/systemd/system/wazo-websocketd-ingest.service',
      '/usr/share/doc/wazo-websocketd/copyright',
      '/var/log/wazo-websocketd/',
    ])
      expect(paths, path).to.include(path)
    expect(files.filter(({ owner }) => owner !== 'root/root')).to.deep.equal([])
    expect(files.filter(({ mode }) => !/^(d|-)rw[xs-]r-[xs-]r-[x-]$/.test(mode))).to.deep.equal([])
    expect([...paths].filter((path) => FOREIGN.test(path))).to.deep.equal([])
  })

  it('runs its programs on its own Node', async () => {
    const { stdout } = await run(join(root, LIBRARY, 'bin/node'), ['--version'])
    expect(stdout.trim())
      .to.equal(`v${pinned.version}`)
      .and.match(/^v24\./)
    for (const name of PROGRAMS)
      expect((await run(await program(name), ['--version'])).stdout.trim(), name).to.equal(version)
  })

  it('has programs each of which starts: nothing that they read is left out', async () => {
    const names = readdirSync(join(root, 'usr/bin'))
    expect(names).to.include('wazo-websocketd-publish')
    for (const name of names)
      expect((await run(await program(name), ['--help'])).stdout, name).to.match(/^Usage: wazo-websocketd/)
    expect((await run(await program('wazo-websocketd-publish'), ['--list'])).stdout).to.contain(
      'call_created',
    )
  })

  it('has a configuration that passes the check, with nothing to say about it', async () => {
    const file = join(await temporaryDirectory('config'), 'config.yml')
    const shipped = readFileSync(join(root, 'usr/share/wazo-websocketd/config.yml'), 'utf8')
    const keys = '\nauth: {username: u, password: p, key_file: null}\nuser: root\n'
    writeFileSync(file, shipped.replaceAll('/etc/', join(root, 'etc/')) + keys)
    for (const name of PROGRAMS) {
      const { stdout, stderr } = await run(await program(name), ['-c', file, '--check-config'])
      expect(stderr, name).to.equal('')
      expect(stdout, name).to.contain('websocket.port: 9502')
    }
  })

  it('serves a session, reloads with the session in place, and ends on the signals that its programs get', async () => {
    const cluster = await Cluster.start({ name: 'package', edges: 0, ingests: 0, workers: 1 })
    try {
      const [port, adminPort, ingestPort] = [await freePort(), await freePort(), await freePort()]
      const config: Config = merge(cluster.edgeConfig(port, adminPort), {
        metrics: { ingest_port: ingestPort },
        extra_config_files: join(root, 'etc/wazo-websocketd/conf.d'),
      })
      const file = join(await temporaryDirectory('config'), 'config.yml')
      writeFileSync(file, JSON.stringify(config))
      const start = async (name: string) => startGuarded(await program(name), ['-c', file])
      const [ingest, edge] = [await start('wazo-websocketd-ingest'), await start('wazo-websocketd')]
      await run(await program('wazo-websocketd-wait-online'), ['-c', file])
      const serves = () => metric(adminPort, 'workers_ready').then((ready) => ready === 1)
      await waitFor(serves, { timeoutMs: 60_000, everyMs: 50, what: 'the edge' })

      const client = connect(`ws://127.0.0.1:${port}`, { token: cluster.auth.mint().token, version: 2 })
      expect((await client.next())['op']).to.equal('init')
      const node = processes().find(({ pid }) => pid === edge.pid)
      expect(node?.command).to.match(new RegExp(`^${join(root, LIBRARY)}/bin/node `))

      edge.kill('SIGHUP')
      await waitFor(() => edge.output().includes('all workers are replaced'), {
        timeoutMs: 60_000,
        what: 'the reload',
      })
      client.send({ op: 'ping', data: { payload: 'after' } })
      expect((await client.next())['op']).to.equal('pong')

      for (const { kill } of [edge, ingest]) kill('SIGTERM')
      expect((await client.closed).code).to.equal(1012)
      for (const { exit } of [edge, ingest]) expect(await exit).to.deep.equal({ code: 0, signal: null })
    } finally {
      await cluster.stop()
    }
  })
})
