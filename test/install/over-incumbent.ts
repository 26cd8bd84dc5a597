/** The other part of `npm run package:try`: over a package of the incumbent's name, with its files. ROOT, the package. */
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startAuth } from '../support/auth.mjs'
import { connect } from '../support/client.js'
import { customEvent, openPublisher } from '../support/publish.js'
import { waitFor } from '../support/wait.mjs'
import { Host } from './host.js'
import { answers, CONFIG, EDGE_PORT, SERVICE, startBrokers, startIngest, WAIT } from './programs.js'
import { expectThat, show } from './show.js'

const FILES = fileURLToPath(new URL('../support/incumbent', import.meta.url))
const INCUMBENT = '/debs/incumbent.deb'
/** As in its configuration. */
const ORIGIN = 'ca7f87e9-c2c8-5fad-ba1b-c3140ebb9be3'
const AUTH_PORT = 9497
const LOG = '/var/log/wazo-websocketd.log'
const KEY = '/var/lib/wazo-auth-keys/wazo-websocketd-key.yml'
const CONFIG_FILE = '/etc/wazo-websocketd/config.yml'
/** dpkg asks about these if they were changed. */
const OTHERS = ['/etc/logrotate.d/wazo-websocketd', '/etc/nginx/locations/https-available/wazo-websocketd']
const CONF_D = '/etc/wazo-websocketd/conf.d'
/** Folders that one of the two packages has. */
const THEIRS = '/usr/lib/python3/dist-packages/wazo_websocketd'
const OURS = '/usr/lib/wazo-websocketd'
/** As in README. No command here has a terminal: a question of dpkg would make it fail. */
const KEEP = ['-o', 'Dpkg::Options::=--force-confold']

const [root = '', file = ''] = process.argv.slice(2)
const host = new Host(root)
const at = (path: string) => join(root, path)

/** The hash of each configuration file. */
function configuration(): Record<string, string> {
  const paths = [CONFIG_FILE, ...OTHERS, KEY, ...readdirSync(at(CONF_D)).map((name) => `${CONF_D}/${name}`)]
  return Object.fromEntries(
    paths.map((path) => [
      path,
      createHash('sha256')
        .update(readFileSync(at(path)))
        .digest('hex'),
    ]),
  )
}

/** @param paths of those in `before` that may not have changed. */
function expectKept(before: Record<string, string>, paths: readonly string[]): void {
  const after = configuration()
  const changed = paths.filter((path) => before[path] !== after[path])
  expectThat(changed.length === 0, `configuration as it was, not ${changed.join(' ')}`)
}

function change(...paths: readonly string[]): void {
  for (const path of paths) appendFileSync(at(path), '\n# changed by the administrator\n')
}

async function installIncumbent(): Promise<Record<string, string>> {
  await host.run('apt-get', '--yes', 'install', INCUMBENT)
  change(CONFIG_FILE)
  for (const name of readdirSync(join(FILES, 'conf.d')))
    copyFileSync(join(FILES, 'conf.d', name), at(`${CONF_D}/${name}`))
  mkdirSync(at('/var/lib/wazo-auth-keys'))
  copyFileSync(join(FILES, 'key.yml'), at(KEY))
  chmodSync(at(KEY), 0o600)
  writeFileSync(at(LOG), 'a line of the incumbent\n')
  return configuration()
}

async function expectInstalled(whose: 'ours' | 'theirs'): Promise<void> {
  expectThat((await host.run('dpkg', '--audit')) === '', 'no package half installed')
  expectThat(existsSync(at(THEIRS)) === (whose === 'theirs'), `files of the other package: ${whose}`)
  expectThat(existsSync(at(OURS)) === (whose === 'ours'), `files of this package: ${whose}`)
}

/** With nothing but the incumbent's files: its ports, its account, its log. */
async function serve(): Promise<void> {
  for (const program of ['edge', 'ingest'])
    await host.run('runuser', '-u', SERVICE, '--', `wazo-websocketd-${program}`, ...CONFIG, '--check-config')
  const auth = await startAuth({ port: AUTH_PORT })
  await startBrokers(host)
  const ingest = await startIngest(host)
  const edge = host.start(SERVICE, {}, '/usr/bin/wazo-websocketd', ...CONFIG)
  await host.run('wazo-websocketd-wait-online', ...CONFIG)
  await waitFor(() => answers(EDGE_PORT, '/readyz'), { ...WAIT, what: 'the edge' })
  const client = connect('ws://127.0.0.1:9502', { token: auth.mint().token, timeoutMs: 30_000 })
  await client.start('*')
  const publisher = await openPublisher('amqp://guest:guest@127.0.0.1:5672')
  const tenant = '2c34c282-433e-4bb8-8d56-fec14ff7e1e9'
  const event = { name: 'kept', tenant, everyone: true, requiredAcl: null, origin: ORIGIN, data: { kept: 1 } }
  await publisher.publish(customEvent(event))
  expectThat(((await client.next())['data'] as { kept: number }).kept === 1, 'an event')
  await publisher.close()
  for (const { kill } of [edge, ingest]) kill('SIGTERM')
  await Promise.all([edge.exit, ingest.exit])
  await auth.stop()
  const log = readFileSync(at(LOG), 'utf8')
  expectThat(log.startsWith('a line of the incumbent\n'), 'the log goes on where it was')
  expectThat(log.includes('session ended'), 'lines in the log')
}

async function main(): Promise<void> {
  await host.mount()
  const before = await installIncumbent()
  show(
    'a package of the same name, its configuration file changed, three files in conf.d, its key and its log',
  )

  await host.run('apt-get', '--yes', 'install', file)
  await expectInstalled('ours')
  expectKept(
    before,
    Object.keys(before).filter((path) => !OTHERS.includes(path)),
  )
  show(
    `installed over it: ${(await host.run('wazo-websocketd', '--version')).trim()}; configuration as it was`,
  )
  await serve()
  show('ingest and edge serve with its configuration, unchanged, and write its log')

  await host.run('apt-get', '--yes', '--allow-downgrades', 'install', INCUMBENT)
  await expectInstalled('theirs')
  expectKept(before, Object.keys(before))
  show('and back; configuration as it was')

  change(CONFIG_FILE, ...OTHERS)
  const changed = configuration()
  await host.run('apt-get', '--yes', ...KEEP, 'install', file)
  await expectInstalled('ours')
  expectKept(changed, Object.keys(changed))
  show('again, with the files for nginx and logrotate changed as well: all as they were')
  console.log('1 passed, 0 failed')
}

try {
  await main()
  process.exit(0)
} catch (error) {
  console.error(error)
  process.exit(1)
}
