import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Program } from '@wazo-websocketd/shared/config/checks'
import { loadConfig, readConfig } from '@wazo-websocketd/shared/config/load'
import { configReport } from '@wazo-websocketd/shared/config/report'
import { expect } from 'chai'
import { Cluster } from '../support/cluster.js'
import { temporaryDirectory } from '../support/guard.mjs'
import { startRedis } from '../support/redis.mjs'

const EDGE = 'wazo-websocketd-edge'
const INGEST = 'wazo-websocketd-ingest'
const SECRET = 's3cr%t:@/ "x"'

describe('secrets in files', () => {
  let directory: string

  beforeEach(async () => {
    directory = await temporaryDirectory('secrets')
    mkdirSync(join(directory, 'conf.d'))
  })

  function file(name: string, content: string | Uint8Array): string {
    const path = join(directory, name)
    writeFileSync(path, content)
    return path
  }

  function sources(program: Program, config: object, environment: Record<string, string> = {}) {
    const all = {
      extra_config_files: join(directory, 'conf.d'),
      ...{ auth: { username: 'a', password: 'b', key_file: null } },
      ...config,
    }
    return {
      program,
      configFile: file('config.yml', JSON.stringify(all)),
      debug: false,
      user: null,
      environment,
    }
  }

  const load = (...args: Parameters<typeof sources>) => loadConfig(sources(...args)).config

  it('count as those in the configuration, without one line end', () => {
    for (const ending of ['', '\n', '\r\n']) {
      const secret = file('secret', SECRET + ending)
      expect(load(INGEST, { bus: { password_file: secret } }).bus.password).to.equal(SECRET)
      const auth = { username: 'a', key_file: null, password_file: secret }
      expect(load(EDGE, { auth }).auth.password).to.equal(SECRET)
      const { url } = load(EDGE, { redis: { password_file: secret } }).redis
      expect(decodeURIComponent(new URL(url).password)).to.equal(SECRET)
      expect(new URL(url).host).to.equal('127.0.0.1:6379')
      const url_file = file('url', `rediss://user@other:1/2${ending}`)
      expect(load(INGEST, { redis: { url_file } }).redis.url).to.equal('rediss://user@other:1/2')
      const both = new URL(load(INGEST, { redis: { url_file, password_file: secret } }).redis.url)
      expect([both.username, decodeURIComponent(both.password), both.host]).to.deep.equal([
        'user',
        SECRET,
        'other:1',
      ])
    }
    expect(load(INGEST, { bus: { password_file: file('two', 'x\n\n') } }).bus.password).to.equal('x\n')
  })

  it('may be named by the environment, and lie among the credentials of systemd', () => {
    file('amqp', 'from-systemd\n')
    const environment = { CREDENTIALS_DIRECTORY: directory }
    for (const name of [
      '$CREDENTIALS_DIRECTORY/amqp',
      '${CREDENTIALS_DIRECTORY}/amqp',
      join(directory, 'amqp'),
    ]) {
      const variables = { ...environment, WAZO_WEBSOCKETD_BUS__PASSWORD_FILE: name }
      expect(load(INGEST, {}, variables).bus.password).to.equal('from-systemd')
    }
  })

  it('are not read by a program that does not need them', () => {
    expect(load(EDGE, { bus: { password_file: '/nowhere' } }).bus.password).to.equal('guest')
    expect(load(INGEST, { auth: { password_file: '/nowhere' } }).auth.password).to.equal(null)
  })

  it('are refused with the key, its origin and the reason', () => {
    const refused = (config: object, program: Program = INGEST, environment: Record<string, string> = {}) => {
      const { problems } = readConfig(sources(program, config, environment))
      expect(problems).to.have.length(1)
      expect(problems[0]).to.match(/^\S+config.yml: /)
      return problems[0]
    }
    const secret = file('secret', SECRET)
    const bus = (password_file: string) => refused({ bus: { password_file } })
    expect(bus('/nowhere/x')).to.include('bus.password_file: cannot read /nowhere/x: no such file')
    expect(bus(directory)).to.include('is a directory')
    expect(bus(file('empty', '\n'))).to.match(/bus.password_file: \S+empty is empty/)
    expect(bus('/dev/zero')).to.include('more than 65536 bytes')
    expect(bus('$CREDENTIALS_DIRECTORY/x')).to.include('LoadCredential')
    for (const [config, program] of [
      [{ bus: { password: 'x', password_file: secret } }, INGEST],
      [{ auth: { username: 'a', password: 'x', password_file: secret, key_file: null } }, EDGE],
      [{ redis: { url: 'redis://x', url_file: secret } }, EDGE],
      [{ redis: { url: 'redis://:x@x', password_file: secret } }, EDGE],
    ] as const) {
      expect(refused(config, program)).to.match(/too.*remove one/)
    }
    const keys = file('key.yml', 'service_id: a\nservice_key: b\n')
    expect(refused({ auth: { key_file: keys, password_file: secret } }, EDGE)).to.include(keys)
  })

  it('are masked in the report, and never part of an error', () => {
    const config = {
      bus: { password_file: file('amqp', SECRET) },
      redis: { password_file: file('redis', SECRET) },
    }
    const report = configReport(readConfig(sources(INGEST, config)))
    expect(report).to.include(`bus.password: ********  # from ${join(directory, 'amqp')}`)
    expect(report).to.match(/redis.url: "?redis:\/\/:[*]{8}@127.0.0.1:6379"? {2}# from/)
    expect(report).to.not.include(SECRET).and.not.include(encodeURIComponent(SECRET))
    const url_file = file('url', `redis:/${SECRET}`)
    const problems = readConfig(sources(INGEST, { redis: { url_file } })).problems.join()
    expect(problems).to.include('redis.url').and.not.include(SECRET)
  })
})

describe('programs whose secrets are in files', function () {
  this.timeout(60_000)

  it('reach Redis with them, and log none', async () => {
    const directory = await temporaryDirectory('secrets')
    const file = (name: string, content: string): string => {
      writeFileSync(join(directory, name), `${content}\n`)
      return join(directory, name)
    }
    const password = 'r3dis-%-secret'
    const redis = await startRedis({ password })
    const cluster = await Cluster.start({
      ...{ name: 'secret-files', server: redis, edges: 1, workers: 1 },
      config: {
        redis: { url: `redis://127.0.0.1:${redis.port}`, password_file: file('redis', password) },
      },
    })
    const client = cluster.connect(cluster.auth.mint().token)
    expect((await client.next())['op']).to.equal('init')
    expect(cluster.logs()).to.not.include(password).and.not.include(encodeURIComponent(password))
    client.socket.terminate()
    await cluster.stop()
  })
})
