/** The part of `npm run package:try` that runs in namespaces of its own: ROOT, the package, the next one, its version. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type Client } from '../support/client.js'
import { startAuth } from '../support/auth.mjs'
import { authSection } from '../support/config.js'
import type { Guarded } from '../support/guard.mjs'
import { Load } from '../support/load.js'
import { range, taken } from '../support/numbered.js'
import { metric } from '../support/pages.js'
import { openPublisher } from '../support/publish.js'
import { waitFor } from '../support/wait.mjs'
import { Host } from './host.js'
import { answers, CONFIG, EDGE_PORT, SERVICE, startBrokers, startIngest, WAIT } from './programs.js'
import { expectThat, show } from './show.js'

const SESSIONS = 40
const PER_SECOND = 200
/** What may stay: logs, and what an administrator has written. */
const MAY_STAY = /^\/etc\/wazo-websocketd(\/conf\.d(\/50-here\.yml)?)?$/

const [root = '', old = '', next = '', nextVersion = ''] = process.argv.slice(2)
const host = new Host(root)

async function versions(): Promise<string> {
  const page = await (await fetch(`http://127.0.0.1:${EDGE_PORT}/metrics`)).text()
  return [...page.matchAll(/^websocketd_build_info\{.*version="([^"]+)".*\} 1$/gm)]
    .map(([, each]) => each)
    .join()
}

/** What the package's postinst has systemd do: the ingest is restarted, the edge is told to reload. */
async function reload(edge: Guarded, ingest: Guarded): Promise<Guarded> {
  const replaced = () => edge.output().split('all workers are replaced').length
  const before = replaced()
  ingest.kill('SIGTERM')
  await ingest.exit
  const started = await startIngest(host)
  edge.kill('SIGHUP')
  await waitFor(() => replaced() > before, { ...WAIT, what: 'all workers to be replaced' })
  return started
}

/** Whether every client has got every event once and in order, and none was closed. */
async function complete(clients: readonly Client[], load: Load): Promise<void> {
  const sent = await load.stop()
  await waitFor(() => clients.every(({ waiting }) => waiting >= sent), { ...WAIT, what: `${sent} events` })
  const expected = range(0, sent - 1).join()
  expectThat(
    clients.every((client) => taken(client).join() === expected),
    `each of ${sent} events once and in order, at each of ${clients.length} clients`,
  )
  expectThat(
    clients.every(({ socket }) => socket.readyState === socket.OPEN),
    'all connections still open',
  )
  show(`${clients.length} sessions stayed; each got ${sent} events, every one once and in order`)
}

async function main(): Promise<void> {
  await host.mount()
  const before = await host.paths()
  const plan = await host.run('apt-get', '--simulate', 'install', old)
  expectThat(/^Inst wazo-websocketd /m.test(plan), 'apt takes the package')
  await host.run('apt-get', '--yes', 'install', old)
  show(`installed with apt-get: ${(await host.run('wazo-websocketd', '--version')).trim()}`)

  const auth = await startAuth()
  const own = { auth: authSection(auth), process_workers: 2 }
  await writeFile(join(root, 'etc/wazo-websocketd/conf.d/50-here.yml'), JSON.stringify(own))
  for (const program of ['edge', 'ingest'])
    await host.run(`wazo-websocketd-${program}`, ...CONFIG, '--check-config')
  await startBrokers(host)
  let ingest = await startIngest(host)
  const edge = host.start(SERVICE, {}, '/usr/bin/wazo-websocketd', ...CONFIG)
  await host.run('wazo-websocketd-wait-online', ...CONFIG)
  await waitFor(() => answers(EDGE_PORT, '/readyz'), { ...WAIT, what: 'the edge' })
  const version = await versions()
  show(`ingest and edge serve, as ${SERVICE}, with the packaged configuration; version ${version}`)

  const clients = Array.from({ length: SESSIONS }, () =>
    connect('ws://127.0.0.1:9502', { token: auth.mint().token, version: 2, timeoutMs: 30_000 }),
  )
  await Promise.all(clients.map((client) => client.start('*')))
  const publisher = await openPublisher('amqp://guest:guest@127.0.0.1:5672')
  for (const [file, what, wanted] of [
    [next, 'upgraded', nextVersion],
    [old, 'downgraded', version],
  ] as const) {
    const load = new Load(publisher, PER_SECOND)
    await host.run('dpkg', '--install', file)
    ingest = await reload(edge, ingest)
    expectThat((await versions()) === wanted, `workers of version ${wanted}`)
    show(`${what} in place to ${wanted}, under ${PER_SECOND} events/s`)
    await complete(clients, load)
    expectThat(
      (await metric(EDGE_PORT, 'handover_total', { result: 'moved' })) > 0,
      'connections handed over',
    )
  }
  await publisher.close()

  for (const { kill } of [edge, ingest]) kill('SIGTERM')
  const ends = await Promise.all([edge.exit, ingest.exit])
  expectThat(
    ends.every(({ code }) => code === 0),
    'status 0 on SIGTERM',
  )
  const codes = new Set((await Promise.all(clients.map(({ closed }) => closed))).map(({ code }) => code))
  expectThat([...codes].join() === '1012', `close code 1012, not ${[...codes].join()}`)
  await auth.stop()

  await host.run('dpkg', '--purge', SERVICE)
  const [known, after] = [new Set(before), await host.paths()]
  const left = after.filter((path) => !known.has(path))
  expectThat(
    left.every((path) => MAY_STAY.test(path)),
    `a purge that leaves logs and configuration only, not ${left.join(' ')}`,
  )
  const gone = before.filter((path) => !after.includes(path))
  expectThat(gone.length === 0, `nothing else gone: ${gone.join(' ')}`)
  show(`purged; what stays besides logs: ${left.join(' ')}`)
  console.log('1 passed, 0 failed')
}

try {
  await main()
  process.exit(0)
} catch (error) {
  console.error(error)
  process.exit(1)
}
