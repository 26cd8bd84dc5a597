/**
 * The files of a host with the incumbent (`incumbent/`): both programs start with them as they are, and a client comes
 * through nginx. Only what one machine cannot have twice is another: ports, directories, and the account.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { startAuth } from '../support/auth.mjs'
import type { Auth, Server } from '../support/cluster.js'
import { connect } from '../support/client.js'
import { temporaryDirectory } from '../support/guard.mjs'
import { startNginxWith, type Nginx } from '../support/nginx.js'
import { freePort } from '../support/port.mjs'
import { programCommand, startProgram, type Program } from '../support/program.mjs'
import { customEvent, openPublisher, type Publisher } from '../support/publish.js'
import { sharedRabbit } from '../support/rabbitmq.mjs'
import { startRedis } from '../support/redis.mjs'
import { waitFor } from '../support/wait.mjs'

const FILES = fileURLToPath(new URL('../support/incumbent', import.meta.url))
const TENANT = '2c34c282-433e-4bb8-8d56-fec14ff7e1e9'
const ORIGIN = 'ca7f87e9-c2c8-5fad-ba1b-c3140ebb9be3'
const READY_MS_MAX = 40_000

describe("an incumbent's files, unchanged", function () {
  this.timeout(90_000)
  let root: string
  let adapt: (text: string) => string
  let redis: Server
  let auth: Auth
  let publisher: Publisher
  let nginx: Nginx
  const programs: Program[] = []
  let env: Record<string, string>

  const at = (path: string) => join(root, path)

  function install(from: string, to: string): void {
    mkdirSync(dirname(at(to)), { recursive: true })
    writeFileSync(at(to), adapt(readFileSync(join(FILES, from), 'utf8')))
  }

  before(async () => {
    root = await temporaryDirectory('incumbent')
    const [rabbit, edgePort] = [await sharedRabbit(), await freePort()]
    ;[redis, auth] = await Promise.all([startRedis(), startAuth()])
    const amqpUrl = await rabbit.vhost('incumbent')
    const [adminPort, ingestPort] = [await freePort(), await freePort()]
    const changes: readonly (readonly [string, string])[] = [
      ['127.0.0.1:9502', `127.0.0.1:${edgePort}`],
      ['port: 9502', `port: ${edgePort}`],
      ['port: 9497', `port: ${auth.port}`],
      ['port: 5672', `port: ${new URL(amqpUrl).port}`],
      ["vhost: ''", `vhost: ${new URL(amqpUrl).pathname.slice(1)}`],
      ['user: wazo-websocketd', `user: ${userInfo().username}`],
      ['/etc/', at('/etc/')],
      ['/var/', at('/var/')],
    ]
    adapt = (text) => changes.reduce((result, [from, to]) => result.replaceAll(from, to), text)
    install('config.yml', '/etc/wazo-websocketd/config.yml')
    for (const file of readdirSync(join(FILES, 'conf.d')))
      install(`conf.d/${file}`, `/etc/wazo-websocketd/conf.d/${file}`)
    install('key.yml', '/var/lib/wazo-auth-keys/wazo-websocketd-key.yml')
    chmodSync(at('/var/lib/wazo-auth-keys/wazo-websocketd-key.yml'), 0o600)
    install('logrotate.d/wazo-websocketd', '/etc/logrotate.d/wazo-websocketd')
    mkdirSync(at('/var/log'))
    // What the incumbent knows no key for.
    env = {
      WAZO_WEBSOCKETD_REDIS__URL: redis.url,
      WAZO_WEBSOCKETD_METRICS__EDGE_PORT: `${adminPort}`,
      WAZO_WEBSOCKETD_METRICS__INGEST_PORT: `${ingestPort}`,
      WAZO_WEBSOCKETD_ADMIN__SOCKET: '',
    }
    publisher = await openPublisher(amqpUrl)
    nginx = await startNginxWith(adapt(readFileSync(join(FILES, 'nginx/wazo-websocketd'), 'utf8')))
    const configFile = at('/etc/wazo-websocketd/config.yml')
    for (const [name, port] of [
      ['ingest', ingestPort],
      ['edge', adminPort],
    ] as const) {
      const program = await startProgram(name, { configFile, env })
      programs.push(program)
      await program.ready(port, READY_MS_MAX).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${log()}`)
      })
    }
  })
  after(async () => {
    await Promise.all(programs.map((program) => program.stop()))
    await Promise.all([nginx.stop(), publisher.close(), redis.stop(), auth.stop()])
  })

  const log = () => readFileSync(at('/var/log/wazo-websocketd.log'), 'utf8')

  async function receives(n: number): Promise<void> {
    const client = connect(`wss://127.0.0.1:${nginx.port}/api/websocketd/`, {
      token: auth.mint({ tenant: TENANT }).token,
      socket: { rejectUnauthorized: false },
    })
    await client.start('dropped_in')
    const event = { name: 'dropped_in', tenant: TENANT, everyone: true, requiredAcl: null, origin: ORIGIN }
    await publisher.publish(customEvent({ ...event, data: { n } }))
    expect((await client.next())['data']).to.deep.equal({ n })
    await client.close()
  }

  it('have a client served that comes through nginx', () => receives(1))

  it('say what they said: the first of conf.d wins, the rest is in config.yml, the key file is read', () => {
    const { command, args } = programCommand('edge')
    const checked = execFileSync(
      command,
      [...args, '-c', at('/etc/wazo-websocketd/config.yml'), '--check-config'],
      { env: { ...process.env, ...env }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const lines = checked.split('\n').map((line) => line.split(root).join(''))
    const [conf, file] = ['/etc/wazo-websocketd/conf.d', '/etc/wazo-websocketd/config.yml']
    expect(lines).to.include.members([
      `process_workers: 2  # from ${conf}/10-here.yml`,
      `websocket.ping_interval: 45  # from ${conf}/10-here.yml`,
      `log_level: debug  # from ${conf}/50-debug.yml`,
      `auth.timeout: 2.5  # from ${conf}/90-auth.yml`,
      `auth.username: websocketd-service  # from /var/lib/wazo-auth-keys/wazo-websocketd-key.yml`,
      `bus.consumer_prefetch: 250  # from ${file}`,
      `uuid: ${ORIGIN}  # from ${file}`,
    ])
  })

  it('have the log where it was, and it goes on after the rotation of the incumbent', async () => {
    expect(log()).to.include('worker started').and.to.include('"program":"wazo-websocketd-ingest"')
    execFileSync('logrotate', [
      ...['--force', '--state', at('/var/state')],
      at('/etc/logrotate.d/wazo-websocketd'),
    ])
    expect(readFileSync(at('/var/log/wazo-websocketd.log.1'), 'utf8')).to.include('worker started')
    expect(log()).to.not.include('worker started')
    await receives(2)
    await waitFor(() => log().includes('session ended'), { what: 'a line in the log' })
  })
})
