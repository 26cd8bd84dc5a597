import { resolve } from '@wazo-websocketd/shared/config/resolve'
import { configSchema } from '@wazo-websocketd/shared/config/schema'
import { environmentTree } from '@wazo-websocketd/shared/config/environment'
import { parseYaml } from '@wazo-websocketd/shared/config/yaml-file'
import { expect } from 'chai'

const fromYaml = (text: string) => resolve(parseYaml(text, 'f.yml').tree)
const fromEnvironment = (name: string, value: string) =>
  resolve(environmentTree({ [`WAZO_WEBSOCKETD_${name}`]: value }))

describe('the effective configuration', () => {
  it('has the documented defaults', () => {
    const { config } = resolve(new Map())
    expect(config).to.deep.include({
      uuid: null,
      debug: false,
      log_level: 'info',
      log_file: null,
      log_format: 'json',
      log_sessions: true,
      user: null,
      process_workers: 'auto',
      auth_check_strategy: 'dynamic',
      extra_config_files: '/etc/wazo-websocketd/conf.d',
      console: { enabled: false },
      admin: { socket: '/run/wazo-websocketd/edge.sock' },
      drain: { rate: 200, timeout: 30, delay: 0, resume: true, handover: true },
      metrics: { listen: '127.0.0.1', edge_port: 9504, ingest_port: 9505 },
    })
    expect(config.auth).to.deep.include({ host: 'localhost', port: 80, https: false, prefix: '/api/auth' })
    expect(config.bus).to.deep.equal({
      host: 'localhost',
      port: 5672,
      hosts: null,
      tls: false,
      username: 'guest',
      password: 'guest',
      password_file: null,
      vhost: '/',
      exchange_name: 'wazo-headers',
      exchange_type: 'headers',
      consumer_prefetch: 250,
      heartbeat: 5,
      lost_grace: 2,
      silence_grace: 30,
      legacy_exchange: 'xivo',
      access_scope: 'tenant',
      stream: { replicas: null, max_age: 600, max_bytes: 1073741824 },
    })
    expect(config.websocket).to.deep.include({
      listen: '127.0.0.1',
      port: 9502,
      certificate: null,
      ping_interval: 30,
    })
    expect(config.redis).to.deep.equal({
      url: 'redis://127.0.0.1:6379',
      url_file: null,
      password_file: null,
      cluster: null,
      sentinels: null,
      sentinel_name: 'mymaster',
      tls: false,
      prefix: 'wazo-ws',
      partitions: 1,
      history: 120,
      history_bytes: 67108864,
      lost_grace: 30,
    })
    expect(config.limits).to.deep.equal({
      client_frame_bytes: 65536,
      client_fragments: 16,
      client_frames_per_second: 2_000,
      client_bytes_per_second: 2_097_152,
      client_reads_per_second: 640,
      control_frames_per_second: 10,
      control_frames_burst: 100,
      closing_bytes: 131_072,
      permessage_deflate: false,
      handshake_seconds: 5,
      handshake_header_bytes: 16384,
      incomplete_upgrades_per_worker: 512,
      auth_in_flight_per_host: 64,
      auth_try_seconds: 3,
      auth_total_seconds: 8,
      auth_waiting_lookups: 5000,
      auth_refused_tokens_per_address_per_minute: 300,
      ops_per_second: 50,
      ops_burst: 300,
      subscriptions_per_session: 1024,
      event_name_bytes: 256,
      connections_per_worker: 16000,
      connections_per_token: 200,
      connections_per_user: null,
      connections_per_ip: null,
      connects_per_ip_per_second: null,
      send_buffer_soft_bytes: 1048576,
      send_buffer_soft_seconds: 10,
      send_buffer_hard_bytes: 16777216,
      send_buffer_worker_bytes: 268435456,
      pong_seconds: 20,
      event_body_bytes: 1048576,
      acl_patterns_per_token: 5000,
      acl_pattern_bytes: 512,
    })
  })

  it('takes a file of the older server unchanged', () => {
    const { config, unknown, problems } = fromYaml(`
uuid: 1f0c
debug: no
log_level: INFO
log_file: null
user: www-data
auth: {host: auth.example, port: 9497, https: yes, prefix: null, verify_certificate: /etc/ssl/ca.pem, timeout: 2.5, username: u, password: p, key_file: null}
auth_check_strategy: static
auth_check_static_interval: 90
bus: {host: b, port: 5673, username: x, password: y, vhost: /w, exchange_name: wazo-headers, exchange_type: headers, consumer_prefetch: 500}
websocket: {listen: 0.0.0.0, port: 9500, certificate: null, private_key: null, ping_interval: 60}
process_workers: 3
worker_connections: 1024
`)
    expect(problems).to.deep.equal([])
    expect(unknown).to.deep.equal([])
    expect(config.log_level).to.equal('info')
    expect(config.auth.prefix).to.equal(null)
    expect(config.auth.verify_certificate).to.equal('/etc/ssl/ca.pem')
    expect(config.websocket.ping_interval).to.equal(60)
    expect(config.process_workers).to.equal(3)
  })

  it('tells where each key comes from', () => {
    const { settings } = fromYaml('bus: {host: b}')
    expect(settings.get('bus.host')).to.deep.equal({ key: 'bus.host', value: 'b', source: 'f.yml' })
    expect(settings.get('bus.port')?.source).to.equal('defaults')
  })

  it('names an unknown key with its file and guesses what was meant', () => {
    expect(fromYaml('bus: {hots: b}\nbanana: {x: 1}').unknown).to.have.members([
      'f.yml: unknown key bus.hots (did you mean bus.hosts?)',
      'f.yml: unknown key banana',
    ])
  })

  it('takes __proto__ for an unknown key like any other', () => {
    const { unknown, config } = fromYaml('__proto__: {debug: true}\nbus: {__proto__: {host: x}}')
    expect(unknown).to.have.members(['f.yml: unknown key __proto__', 'f.yml: unknown key bus.__proto__'])
    expect(config.debug).to.equal(false)
    expect(config.bus.host).to.equal('localhost')
  })

  it('keeps control characters of a key out of its lines', () => {
    expect(fromYaml('"a\\nb": 1').unknown).to.deep.equal(['f.yml: unknown key a?b'])
  })

  const wrong: readonly (readonly [string, string])[] = [
    ['bus: {port: abc}', 'f.yml: bus.port: must be a whole number from 0 to 65535, not "abc"'],
    ['bus: {port: 70000}', 'f.yml: bus.port: must be a whole number from 0 to 65535, not 70000'],
    ['bus: {port: "70000"}', 'f.yml: bus.port: must be a whole number from 0 to 65535, not "70000"'],
    ['bus: {port: "5672 # x"}', 'f.yml: bus.port: must be a whole number from 0 to 65535, not "5672 # x"'],
    ['debug: "truthy"', 'f.yml: debug: must be true or false, not "truthy"'],
    ['bus: {password: true}', 'f.yml: bus.password: must be a text, not this boolean (not shown)'],
    ['bus: {host: 10}', 'f.yml: bus.host: must be a host name, not 10'],
    ['bus: {host: null}', 'f.yml: bus.host: must be a host name, not null'],
    ['bus: {host: [a]}', 'f.yml: bus.host: must be a host name, not a list'],
    ['bus: {host: {a: 1}}', 'f.yml: bus.host: must be a host name, not a mapping'],
    ['bus: 5', 'f.yml: bus: must be a mapping, not 5'],
    [
      'log_level: loud',
      'f.yml: log_level: must be one of: debug, info, warning, error, critical, not "loud"',
    ],
    ['process_workers: 0', 'f.yml: process_workers: must be auto or a whole number from 1 to 1024, not 0'],
    [
      'process_workers: many',
      'f.yml: process_workers: must be auto or a whole number from 1 to 1024, not "many"',
    ],
    [
      'auth: {verify_certificate: 3}',
      'f.yml: auth.verify_certificate: must be true, false or the path of a certificate file, not 3',
    ],
    [
      'websocket: {ping_interval: 0}',
      'f.yml: websocket.ping_interval: must be a number of seconds above 0 and at most 2147483, not 0',
    ],
    [
      'redis: {url: "http://x"}',
      'f.yml: redis.url: must be an address such as redis://127.0.0.1:6379 or rediss://host:6379, not this string (not shown)',
    ],
    ['redis: {cluster: []}', 'f.yml: redis.cluster: must be a list of host:port, not a list'],
    ['redis: {sentinels: []}', 'f.yml: redis.sentinels: must be a list of host:port, not a list'],
    ['redis: {sentinels: "h:1"}', 'f.yml: redis.sentinels: must be a list of host:port, not "h:1"'],
    ['redis: {sentinel_name: ""}', 'f.yml: redis.sentinel_name: must be the name of a master, not ""'],
    ['bus: {hosts: []}', 'f.yml: bus.hosts: must be a list of host:port, not a list'],
    ['bus: {hosts: [rabbit1]}', 'f.yml: bus.hosts: must be a list of host:port, not a list'],
    ['bus: {hosts: ["::1:5672"]}', 'f.yml: bus.hosts: must be a list of host:port, not a list'],
    ['bus: {hosts: {a: 5672}}', 'f.yml: bus.hosts: must be a list of host:port, not a mapping'],
    [
      'bus: {tls: maybe}',
      'f.yml: bus.tls: must be true, false, or a mapping of ca, cert, key and verify, not "maybe"',
    ],
    [
      'bus: {tls: null}',
      'f.yml: bus.tls: must be true, false, or a mapping of ca, cert, key and verify, not null',
    ],
    ['bus: {tls: {ca: 5}}', 'f.yml: bus.tls.ca: must be the path of a file, not 5'],
    [
      'bus: {stream: {replicas: 0}}',
      'f.yml: bus.stream.replicas: must be a whole number from 1 to 255, not 0',
    ],
    [
      'bus: {stream: {max_age: 0}}',
      'f.yml: bus.stream.max_age: must be a whole number from 1 to 31536000, not 0',
    ],
    [
      'bus: {stream: {max_bytes: 1}}',
      'f.yml: bus.stream.max_bytes: must be a whole number from 1048576, not 1',
    ],
    [
      'redis: {prefix: "{x}"}',
      'f.yml: redis.prefix: must be a text without blanks and braces, at most 64 characters, not "{x}"',
    ],
    [
      'websocket: {allowed_origins: a}',
      'f.yml: websocket.allowed_origins: must be a list of origins such as https://example.org, not "a"',
    ],
    [
      'auth_check_strategy: sometimes',
      'f.yml: auth_check_strategy: must be one of: dynamic, static, not "sometimes"',
    ],
    ['limits: {ops_burst: 1.5}', 'f.yml: limits.ops_burst: must be a whole number from 1, not 1.5'],
    ['bus: {lost_grace: -1}', 'f.yml: bus.lost_grace: must be a number of seconds from 0 to 2147483, not -1'],
  ]
  for (const [yaml, line] of wrong)
    it(`refuses ${yaml}`, () => {
      expect(fromYaml(yaml).problems).to.deep.equal([line])
    })

  const loose: readonly (readonly [string, string, unknown, string])[] = [
    ['websocket: {port: "9502"}', 'websocket.port', 9502, '"9502" is read as 9502; write that instead'],
    ['auth: {timeout: " 2.5 "}', 'auth.timeout', 2.5, '" 2.5 " is read as 2.5; write that instead'],
    ['debug: "True"', 'debug', true, '"True" is read as true; write that instead'],
    ['auth: {https: "no"}', 'auth.https', false, '"no" is read as false; write that instead'],
    ['debug: 1', 'debug', true, '1 is read as true; write that instead'],
    ['process_workers: "2"', 'process_workers', 2, '"2" is read as 2; write that instead'],
    ['user: ""', 'user', null, '"" is read as null; write that instead'],
    ['log_file: ""', 'log_file', null, '"" is read as null; write that instead'],
    ['bus: {vhost: ""}', 'bus.vhost', '/', '"" is read as "/"; write that instead'],
    [
      'auth: {verify_certificate: "False"}',
      'auth.verify_certificate',
      false,
      '"False" is read as false; write that instead',
    ],
    ...['0123', '1e5', '12_34', '0x1F', '1:30', '2024-01-01', '123456789012345678901234567890'].map(
      (password) =>
        [
          `bus: {password: ${password}}`,
          'bus.password',
          password,
          'is a number, and read as the text that it is written as; put it in quotes',
        ] as const,
    ),
  ]
  for (const [yaml, key, value, remark] of loose)
    it(`reads ${yaml} with a remark`, () => {
      const { settings, problems, remarks } = fromYaml(yaml)
      expect(problems).to.deep.equal([])
      expect(settings.get(key)).to.deep.equal({ key, value, source: 'f.yml' })
      expect(remarks).to.deep.equal([`f.yml: ${key}: ${remark}`])
    })

  for (const empty of ['""', 'null'])
    it(`listens on every address where the address is ${empty}`, () => {
      const { config, remarks } = fromYaml(`websocket: {listen: ${empty}}\nmetrics: {listen: ${empty}}`)
      expect(config.websocket.listen).to.be.oneOf(['::', '0.0.0.0'])
      expect(config.metrics.listen).to.equal(config.websocket.listen)
      expect(remarks).to.have.length(2)
      expect(remarks[0]).to.contain(' (every address of this machine)')
    })

  it('remarks on nothing that is written as it should be', () => {
    expect(fromYaml('debug: yes\nuser: null\nbus: {port: 1, password: "0123"}').remarks).to.deep.equal([])
    expect(fromEnvironment('WEBSOCKET__LISTEN', '').remarks).to.deep.equal([])
  })

  const environment: readonly (readonly [string, string, string, unknown])[] = [
    ['BUS__PORT', '5673', 'bus.port', 5673],
    ['BUS__PASSWORD', '12345', 'bus.password', '12345'],
    ['BUS__PASSWORD', '0123', 'bus.password', '0123'],
    ['BUS__VHOST', '', 'bus.vhost', '/'],
    ['AUTH__HTTPS', '1', 'auth.https', true],
    ['AUTH__VERIFY_CERTIFICATE', 'False', 'auth.verify_certificate', false],
    ['BUS__PASSWORD', 'true', 'bus.password', 'true'],
    ['BUS__LEGACY_EXCHANGE', 'null', 'bus.legacy_exchange', null],
    ['LOG_FILE', '', 'log_file', null],
    ['DEBUG', 'true', 'debug', true],
    ['DEBUG', 'no', 'debug', false],
    ['AUTH__VERIFY_CERTIFICATE', 'false', 'auth.verify_certificate', false],
    ['AUTH__VERIFY_CERTIFICATE', '/ca.pem', 'auth.verify_certificate', '/ca.pem'],
    ['PROCESS_WORKERS', '4', 'process_workers', 4],
    ['PROCESS_WORKERS', 'auto', 'process_workers', 'auto'],
    ['REDIS__CLUSTER', 'a:1, b:2', 'redis.cluster', ['a:1', 'b:2']],
    ['REDIS__CLUSTER', '["a:1"]', 'redis.cluster', ['a:1']],
    ['REDIS__SENTINELS', 'a:26379,[::1]:26380', 'redis.sentinels', ['a:26379', '[::1]:26380']],
    ['BUS__HOSTS', '10.0.0.1:5672, 10.0.0.2:5672', 'bus.hosts', ['10.0.0.1:5672', '10.0.0.2:5672']],
    ['BUS__HOSTS', 'a:1', 'bus.hosts', ['a:1']],
    ['BUS__HOSTS', '', 'bus.hosts', null],
    ['BUS__TLS', 'true', 'bus.tls', true],
    ['BUS__TLS__CA', '/ca.pem', 'bus.tls.ca', '/ca.pem'],
    ['BUS__TLS__VERIFY', 'false', 'bus.tls.verify', false],
    ['BUS__STREAM__REPLICAS', '3', 'bus.stream.replicas', 3],
    ['WEBSOCKET__ALLOWED_ORIGINS', 'https://a.example', 'websocket.allowed_origins', ['https://a.example']],
    ['WEBSOCKET__PING_INTERVAL', '2.5', 'websocket.ping_interval', 2.5],
  ]
  for (const [name, text, key, value] of environment)
    it(`reads the variable ${name}=${text}`, () => {
      const { settings, problems } = fromEnvironment(name, text)
      expect(problems).to.deep.equal([])
      expect(settings.get(key)).to.deep.equal({ key, value, source: `environment WAZO_WEBSOCKETD_${name}` })
    })

  it('takes TLS as true, false, or a mapping, of which the deeper source wins', () => {
    const files = { ca: '/ca.pem', cert: null, key: null, verify: true }
    expect(fromYaml('bus: {tls: true}').config.bus.tls).to.equal(true)
    expect(fromYaml('bus: {tls: {}}').config.bus.tls).to.deep.equal({ ...files, ca: null })
    const { config, settings, unknown } = fromYaml('bus: {tls: {ca: /ca.pem, authority: x}}')
    expect(config.bus.tls).to.deep.equal(files)
    expect(settings.get('bus.tls.verify')?.source).to.equal('defaults')
    expect(settings.has('bus.tls')).to.equal(false)
    expect(unknown).to.deep.equal(['f.yml: unknown key bus.tls.authority'])
    expect(fromEnvironment('BUS__TLS__CA', '/ca.pem').config.bus.tls).to.deep.equal(files)
  })

  it('names the variable whose text cannot be used', () => {
    expect(fromEnvironment('BUS__PORT', 'x').problems).to.deep.equal([
      'environment WAZO_WEBSOCKETD_BUS__PORT: bus.port: must be a whole number from 0 to 65535, not "x"',
    ])
  })

  it('reports all problems and no setting for a key that has one', () => {
    const { problems, settings } = fromYaml('bus: {port: x, heartbeat: y}\ndebug: 7')
    expect(problems).to.have.length(3)
    expect(settings.has('bus.port')).to.equal(false)
    expect(settings.has('bus.host')).to.equal(true)
  })

  it('gives every key of the schema a value or a problem', () => {
    const { settings } = fromYaml('')
    const count = (part: object): number => {
      if (!('shape' in part)) return 1
      const parts = Object.values(part.shape as Record<string, object>)
      return parts.map(count).reduce((sum, each) => sum + each, 0)
    }
    expect(settings.size).to.equal(count(configSchema))
  })
})
