import { loadOrExit, readServiceOptions } from '@wazo-websocketd/shared/config/service-options'
import type { Terminal } from '@wazo-websocketd/shared/runtime/command-line'
import type { Program } from '@wazo-websocketd/shared/config/checks'
import type { LoadedConfig } from '@wazo-websocketd/shared/config/load'
import { expect } from 'chai'
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { programCommand } from '../support/program.mjs'

class Exit extends Error {
  readonly status: number
  constructor(status: number) {
    super(`exit ${status}`)
    this.status = status
  }
}

interface Outcome {
  readonly status: number | null
  readonly out: string
  readonly err: string
  readonly loaded: LoadedConfig | null
}

const CREDENTIALS = 'auth: {username: service, password: hunter2, key_file: null}\n'

describe('the configuration of a program', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'websocketd-config-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  function file(name: string, content: string): string {
    const path = join(directory, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    return path
  }

  /** config.yml with credentials and a conf.d of its own. */
  function configFile(content: string): string {
    return file('config.yml', `extra_config_files: ${join(directory, 'conf.d')}\n${content}`)
  }

  function run(
    args: readonly string[],
    environment: Record<string, string> = {},
    program: Program = 'wazo-websocketd-edge',
  ): Outcome {
    let out = ''
    let err = ''
    const terminal: Terminal = {
      out: (text) => void (out += text),
      err: (text) => void (err += text),
      exit: (status) => {
        throw new Exit(status)
      },
    }
    try {
      const options = readServiceOptions(program, args, terminal)
      // The check becomes the user that a start as root would; this process has to stay who it is.
      const safe = options.checkConfig ? { ...options, user: 'root' } : options
      const loaded = loadOrExit(program, safe, terminal, environment)
      return { status: null, out, err, loaded }
    } catch (error) {
      if (!(error instanceof Exit)) throw error
      return { status: error.status, out, err, loaded: null }
    }
  }

  /** Expects one line on standard error and the status; returns the line. */
  function refused({ status, err }: Outcome, expected: number): string {
    expect(status).to.equal(expected)
    expect(err.endsWith('\n')).to.equal(true)
    expect(err.trimEnd().split('\n')).to.have.length(1)
    return err.trimEnd()
  }

  describe('its sources', () => {
    it('win in the order command line, environment, key file, conf.d, config.yml, defaults', () => {
      file('conf.d/10-a.yml', 'bus: {host: from-10, vhost: from-10}\nauth: {username: from-conf-d}\n')
      file('conf.d/20-b.yml', 'bus: {host: from-20, exchange_name: from-20}\ndebug: false\n')
      const keys = file('key.yml', 'service_id: from-key\nservice_key: from-key\n')
      const config = configFile(
        `auth: {key_file: ${keys}, username: from-config}\nbus: {host: from-config, username: from-config, vhost: from-config}\ndebug: false\n`,
      )
      const { loaded } = run(['-c', config, '-d'], {
        WAZO_WEBSOCKETD_BUS__HOST: 'from-environment',
        WAZO_WEBSOCKETD_AUTH__PASSWORD: 'from-environment',
        WAZO_WEBSOCKETD_DEBUG: 'false',
      })
      const { bus, auth, debug } = loaded!.config
      expect(debug).to.equal(true)
      expect(bus.host).to.equal('from-environment')
      expect(bus.vhost).to.equal('from-10')
      expect(bus.exchange_name).to.equal('from-20')
      expect(bus.username).to.equal('from-config')
      expect(bus.exchange_type).to.equal('headers')
      expect(auth.username).to.equal('from-key')
      expect(auth.password).to.equal('from-environment')
      expect(loaded!.settings.get('debug')?.source).to.equal('command line')
      expect(loaded!.settings.get('bus.vhost')?.source).to.equal(join(directory, 'conf.d/10-a.yml'))
      expect(loaded!.settings.get('auth.username')?.source).to.equal(keys)
    })

    it('take uuid from XIVO_UUID before any file', () => {
      const config = configFile(`uuid: from-file\n${CREDENTIALS}`)
      expect(run(['-c', config], { XIVO_UUID: 'from-environment' }).loaded!.config.uuid).to.equal(
        'from-environment',
      )
      expect(run(['-c', config]).loaded!.config.uuid).to.equal('from-file')
    })

    it('leave out hidden files, other suffixes and directories of conf.d', () => {
      file('conf.d/.hidden.yml', 'uuid: hidden\n')
      file('conf.d/x.yaml', 'uuid: yaml\n')
      file('conf.d/x.yml.bak', 'uuid: bak\n')
      file('conf.d/directory.yml/x.yml', 'uuid: directory\n')
      expect(run(['-c', configFile(CREDENTIALS)]).loaded!.config.uuid).to.equal(null)
    })

    it('may name another directory through the environment', () => {
      file('other/a.yml', 'uuid: other\n')
      const { loaded } = run(['-c', configFile(CREDENTIALS)], {
        WAZO_WEBSOCKETD_EXTRA_CONFIG_FILES: join(directory, 'other'),
      })
      expect(loaded!.config.uuid).to.equal('other')
    })

    it('warn about a directory that does not exist', () => {
      const { loaded } = run(['-c', configFile(CREDENTIALS)])
      expect(loaded!.warnings).to.deep.equal([
        `${directory}/config.yml: extra_config_files: ${directory}/conf.d does not exist`,
      ])
    })

    it('warn about unknown keys of files and environment', () => {
      mkdirSync(join(directory, 'conf.d'))
      const { loaded } = run(['-c', configFile(`${CREDENTIALS}websocket: {prot: 1}\n`)], {
        WAZO_WEBSOCKETD_NONSENSE: 'x',
      })
      expect(loaded!.warnings).to.have.members([
        `${directory}/config.yml: unknown key websocket.prot (did you mean websocket.port?)`,
        'environment WAZO_WEBSOCKETD_NONSENSE: unknown key nonsense',
      ])
    })
  })

  describe('takes the user', () => {
    const user = (args: readonly string[], line = '') =>
      run([...args, '-c', configFile(`${CREDENTIALS}${line}`)]).loaded!.settings.get('user')

    it('of -u and --user before that of any file', () => {
      const given = { key: 'user', value: 'nobody', source: 'command line' }
      expect(user(['-u', 'nobody'], 'user: www-data\n')).to.deep.equal(given)
      expect(user(['--user', 'nobody'])).to.deep.equal(given)
      expect(user([], 'user: www-data\n')?.value).to.equal('www-data')
      expect(user(['-u', ''], 'user: www-data\n')?.value).to.equal(null)
    })
  })

  it('takes numbers in the key file as the texts that they are written as, and shows none', () => {
    const keys = file('key.yml', 'service_id: websocketd\nservice_key: 0123\n')
    const { loaded } = run(['-c', configFile(`auth: {key_file: ${keys}}\n`)])
    expect(loaded!.config.auth.password).to.equal('0123')
    expect(loaded!.warnings.join()).to.include(`${keys}: service_key: is a number`).and.not.include('0123')
  })

  describe('is refused in one line with status 78', () => {
    it('when a value has a tag, which would have to be carried out', () => {
      const config = configFile(`${CREDENTIALS}bus: !exec {command: /usr/bin/bus}\n`)
      expect(refused(run(['-c', config]), 78)).to.equal(
        `wazo-websocketd-edge: ${config}: bus: the tag !exec is not supported; write the value itself`,
      )
    })

    it('when the file that -c names does not exist', () => {
      expect(refused(run(['-c', '/nowhere/config.yml']), 78)).to.equal(
        'wazo-websocketd-edge: /nowhere/config.yml: cannot read the configuration file: no such file',
      )
    })

    it('when it is a directory', () => {
      expect(refused(run(['-c', directory]), 78)).to.equal(
        `wazo-websocketd-edge: ${directory}: cannot read the configuration file: is a directory, not a file`,
      )
    })

    it('when a file of conf.d is no YAML', () => {
      const broken = file('conf.d/a.yml', 'debug: true\n\tuuid: x\n')
      expect(refused(run(['-c', configFile(CREDENTIALS)]), 78)).to.match(
        new RegExp(`^wazo-websocketd-edge: ${broken}: line 2: not valid YAML: `),
      )
    })

    it('when a value has the wrong type', () => {
      const config = configFile(`${CREDENTIALS}bus: {port: many}\n`)
      expect(refused(run(['-c', config]), 78)).to.equal(
        `wazo-websocketd-edge: ${config}: bus.port: must be a whole number from 0 to 65535, not "many"`,
      )
    })

    it('when several have, with their number', () => {
      const config = configFile(`${CREDENTIALS}bus: {port: many}\ndebug: maybe\n`)
      expect(refused(run(['-c', config]), 78)).to.match(/\(and 1 more: see --check-config\)$/)
    })

    it('when the key file is missing', () => {
      const config = configFile('auth: {key_file: /nowhere/key.yml}\n')
      expect(refused(run(['-c', config]), 78)).to.equal(
        `wazo-websocketd-edge: /nowhere/key.yml: cannot read the key file (auth.key_file, set by ${config}): no such file`,
      )
    })

    it('when the key file lacks a key', () => {
      const keys = file('key.yml', 'service_id: a\n')
      expect(refused(run(['-c', configFile(`auth: {key_file: ${keys}}\n`)]), 78)).to.equal(
        `wazo-websocketd-edge: ${keys}: service_key: must be a text; the key file needs service_id and service_key`,
      )
    })

    it('when the edge has no credentials for wazo-auth', () => {
      const line = refused(run(['-c', configFile('auth: {key_file: null}\n')]), 78)
      expect(line).to.include(
        'auth.key_file: no credentials for wazo-auth: set auth.key_file, or auth.username and auth.password (or auth.password_file)',
      )
    })

    it('when a certificate has no private key', () => {
      const config = configFile(`${CREDENTIALS}websocket: {certificate: /a.pem}\n`)
      expect(refused(run(['-c', config]), 78)).to.equal(
        `wazo-websocketd-edge: ${config}: websocket.certificate: needs websocket.private_key too`,
      )
    })
  })

  it('of the ingest needs neither credentials nor key file, and warns about a missing one', () => {
    mkdirSync(join(directory, 'conf.d'))
    const config = configFile('auth: {key_file: /nowhere/key.yml}\n')
    expect(run(['-c', config], {}, 'wazo-websocketd-ingest').loaded!.warnings).to.deep.equal([
      `/nowhere/key.yml: cannot read the key file (auth.key_file, set by ${config}): no such file`,
    ])
  })

  it('is no configuration with status 0 where it cannot be written', () => {
    const full = openSync('/dev/full', 'w')
    const { command, args } = programCommand('edge')
    for (const option of ['--print-default-config', '--help']) {
      const { status, stderr } = spawnSync(command, [...args, option], { stdio: ['ignore', full, 'pipe'] })
      expect(status, option).to.equal(1)
      expect(String(stderr)).to.equal('cannot write to standard output: no space left on the disk\n')
    }
    closeSync(full)
  })

  it('is printed with all defaults by --print-default-config, whatever the file says', () => {
    const { out, err, status } = run(['-c', configFile('nonsense: ['), '--print-default-config'])
    expect([status, err]).to.deep.equal([0, ''])
    expect(out).to.match(/^websocket:\n( .*\n)*? {2}port: 9502$/m)
  })

  describe('printed by --check-config', () => {
    it('shows each key once with its value and source, and ends with status 0', () => {
      const { status, out, err } = run(
        ['-c', configFile(`${CREDENTIALS}websocket: {port: 9600}\n`), '--check-config'],
        {
          XIVO_UUID: 'abc',
        },
      )
      expect(status).to.equal(0)
      expect(err).to.equal('')
      const lines = out.split('\n')
      expect(lines).to.include(`websocket.port: 9600  # from ${directory}/config.yml`)
      expect(lines).to.include('uuid: abc  # from environment XIVO_UUID')
      expect(lines).to.include('bus.vhost: /  # from defaults')
      expect(lines).to.include('websocket.trusted_proxies: []  # from defaults')
      expect(lines).to.include('limits.client_frame_bytes: 65536  # from defaults')
      expect(lines.filter((line) => line.startsWith('websocket.port:'))).to.have.length(1)
    })

    it('masks every secret', () => {
      const keys = file('key.yml', 'service_id: a\nservice_key: canary-key\n')
      const config = configFile(
        `auth: {key_file: ${keys}, password: canary-auth}\nbus: {password: canary-bus}\nredis: {url: "redis://u:canary-redis@h:1"}\n`,
      )
      const { out, err } = run(['-c', config, '--check-config'])
      expect(out).to.include('redis.url: redis://u:********@h:1')
      expect(out).to.include(`auth.password: ********  # from ${keys}`)
      expect(out + err).to.not.include('canary')
    })

    it('masks secrets that are of the wrong type', () => {
      const config = configFile(
        'auth: {key_file: null, username: u, password: 31337}\nredis: {url: canary-redis, sentinels: ["u:canary@h:1"]}\nbus: {hosts: ["amqp://u:canary@h:1"]}\n',
      )
      const { out, err, status } = run(['-c', config, '--check-config'])
      expect(status).to.equal(78)
      expect(out + err).to.not.match(/31337|canary/)
    })

    it('lists unknown keys and still ends with status 0', () => {
      const { out, status } = run(['-c', configFile(`${CREDENTIALS}wesocket: {port: 1}\n`), '--check-config'])
      expect(status).to.equal(0)
      expect(out).to.include(
        `# warning: ${directory}/config.yml: unknown key wesocket (did you mean websocket?)`,
      )
    })

    it('finds what would keep the program from starting', () => {
      const config = configFile(`${CREDENTIALS}log_file: /nowhere/x.log\nwebsocket: {listen: 203.0.113.9}\n`)
      const { out, err, status } = run(['-c', config, '--check-config'])
      expect(status).to.equal(78)
      expect(out).to.include('# error: log_file: the directory /nowhere does not exist')
      expect(err).to.include(
        'wazo-websocketd-edge: websocket.listen: 203.0.113.9 is not an address of this machine\n',
      )
    })

    it('lists all problems and ends with status 78', () => {
      const config = configFile(`${CREDENTIALS}bus: {port: x}\ndebug: 7\n`)
      const { out, err, status } = run(['-c', config, '--check-config'])
      expect(status).to.equal(78)
      expect(out).to.include(`# error: ${config}: bus.port: must be a whole number from 0 to 65535, not "x"`)
      expect(err.trimEnd().split('\n')).to.have.length(2)
    })
  })

  describe('on the command line', () => {
    it('is refused in one line with status 2 for an unknown option', () => {
      expect(refused(run(['--confg-file', 'x']), 2)).to.match(
        /^wazo-websocketd-edge: unknown option '--confg-file'/,
      )
    })

    it('is refused for an option without its argument, and for an argument too many', () => {
      expect(refused(run(['-c']), 2)).to.include('argument missing')
      expect(refused(run(['serve']), 2)).to.include('too many arguments')
    })

    it('prints version and help with status 0', () => {
      expect(run(['--version'])).to.deep.include({ status: 0, err: '' })
      expect(run(['--version']).out).to.match(/^\d+\.\d+\.\d+\n$/)
      expect(run(['--help']).out)
        .to.include('--config-file')
        .and.include('--check-config')
    })
  })

  describe('refuses what only looks right', () => {
    const rows: readonly [string, string][] = [
      [
        'websocket: {trusted_proxies: [notanip]}',
        'websocket.trusted_proxies: "notanip" is not an address or network',
      ],
      ['websocket: {trusted_proxies: [10.0.0.0/99]}', 'websocket.trusted_proxies: "10.0.0.0/99" is not'],
      ['redis: {cluster: ["h:99999"]}', 'redis.cluster: has a port that is not from 1 to 65535'],
      ['redis: {sentinels: ["h:1", "h:0"]}', 'redis.sentinels: has a port that is not from 1 to 65535'],
      ['bus: {hosts: ["h:65536"]}', 'bus.hosts: has a port that is not from 1 to 65535'],
      [
        'redis: {cluster: ["h:1"], sentinels: ["h:2"]}',
        'redis.sentinels: cannot be used together with redis.cluster',
      ],
      ['redis: {cluster: ["h:1"], url: "redis://h/1"}', 'redis.url: must not name a database other than 0'],
      ['redis: {url: "redis://h/x"}', 'redis.url: must have the number of a database as its path'],
      ['redis: {url: "redis://h/-1"}', 'redis.url: must have the number of a database as its path'],
      ['redis: {url: "redis://h/1/2"}', 'redis.url: must have the number of a database as its path'],
      ['redis: {url: "redis://h/99999"}', 'redis.url: must have the number of a database as its path'],
      ['redis: {url: "redis://h?db=1"}', 'redis.url: must have the number of a database as its path'],
      ['bus: {tls: {cert: /c.pem}}', 'bus.tls.cert: needs bus.tls.key too'],
      ['redis: {tls: {key: /k.pem}}', 'redis.tls.key: needs redis.tls.cert too'],
      ['redis: {url: "redis://:p@ss#x@h:6379"}', 'redis.url: has a # that is not percent-encoded'],
      ['redis: {url: "redis://:p%ss@h:6379"}', 'redis.url: has a % in its user or password'],
      ['redis: {url: "redis://:p%ff@h:6379"}', 'redis.url: has a % in its user or password'],
    ]
    for (const [line, complaint] of rows)
      it(line, () => {
        const path = configFile(`${CREDENTIALS}${line}\n`)
        for (const args of [
          ['-c', path],
          ['--check-config', '-c', path],
        ]) {
          const { status, err } = run(args)
          expect(status).to.equal(78)
          expect(err).to.contain(`${path}: ${complaint}`)
        }
      })

    it('accepts addresses and networks of both families as proxies', () => {
      const path = configFile(
        `${CREDENTIALS}websocket: {trusted_proxies: [10.0.0.0/8, 127.0.0.1, "::1", "fd00::/8"]}\n`,
      )
      expect(run(['-c', path]).loaded?.config.websocket.trusted_proxies).to.have.length(4)
    })
  })
})
