import { checkRedisSettings, parseInfo } from '@wazo-websocketd/edge/ctl/doctor/redis-settings'
import { expect } from 'chai'

const MIB = 1024 * 1024
const NEEDS = { clustered: false, logBytes: 64 * MIB }
const GOOD_INFO = {
  redis_version: '7.0.15',
  redis_mode: 'standalone',
  role: 'master',
  loading: '0',
  used_memory: '1000000',
  connected_clients: '10',
  maxclients: '10000',
  rdb_last_bgsave_status: 'ok',
  aof_enabled: '0',
}
const GOOD_SETTINGS = {
  maxmemory: '0',
  'maxmemory-policy': 'noeviction',
  'client-output-buffer-limit': 'normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60',
  save: '',
  appendfsync: 'everysec',
}

interface Case {
  readonly info?: Record<string, string>
  readonly settings?: Record<string, string>
  readonly clustered?: boolean
}

function judge({ info = {}, settings = {}, clustered = false }: Case = {}) {
  return checkRedisSettings(
    new Map(Object.entries({ ...GOOD_INFO, ...info })),
    new Map(Object.entries({ ...GOOD_SETTINGS, ...settings })),
    { ...NEEDS, clustered },
  )
}

describe('the settings of a Redis', () => {
  it('of a fresh server on Debian are fine', () => {
    expect(judge().map(({ level }) => level)).to.deep.equal(Array(6).fill('ok'))
  })

  const cases: readonly (readonly [string, Case, string, RegExp])[] = [
    ['an old version', { info: { redis_version: '6.0.16' } }, 'error', /6\.2/],
    [
      'an old version for a cluster',
      { clustered: true, info: { redis_version: '6.2.0', redis_mode: 'cluster' } },
      'error',
      /7/,
    ],
    ['a replica', { info: { role: 'slave' } }, 'error', /master/],
    ['one that is loading', { info: { loading: '1' } }, 'error', /wait/],
    ['a node of a cluster', { info: { redis_mode: 'cluster' } }, 'error', /redis\.cluster/],
    ['eviction of any key', { settings: { 'maxmemory-policy': 'allkeys-lru' } }, 'error', /noeviction/],
    [
      'eviction of keys that expire',
      { settings: { 'maxmemory-policy': 'volatile-ttl' } },
      'warning',
      /noeviction/,
    ],
    [
      'too little memory for the log',
      { settings: { maxmemory: String(100 * MIB) } },
      'warning',
      /history_bytes/,
    ],
    [
      'memory that is nearly full',
      { settings: { maxmemory: String(200 * MIB) }, info: { used_memory: String(190 * MIB) } },
      'warning',
      /maxmemory/,
    ],
    [
      'small buffers of subscribers',
      { settings: { 'client-output-buffer-limit': 'pubsub 1048576 524288 10' } },
      'warning',
      /client-output-buffer-limit/,
    ],
    ['a disk that takes nothing', { info: { rdb_last_bgsave_status: 'err' } }, 'error', /disk/],
    [
      'a disk in the way of each batch',
      { info: { aof_enabled: '1' }, settings: { appendfsync: 'always' } },
      'warning',
      /everysec/,
    ],
    ['hardly a connection left', { info: { connected_clients: '9900' } }, 'warning', /maxclients/],
  ]
  for (const [what, given, level, remedy] of cases)
    it(`with ${what} are found, with the remedy`, () => {
      const found = judge(given).filter((finding) => finding.level !== 'ok')
      expect(found.map((finding) => finding.level)).to.deep.equal([level])
      expect(found[0]!.remedy).to.match(remedy)
    })

  it('without a limit of buffers are fine: 0 means none', () => {
    const settings = { 'client-output-buffer-limit': 'pubsub 0 0 0' }
    expect(judge({ settings }).every(({ level }) => level === 'ok')).to.equal(true)
  })

  it('that may not be read are a warning, and all else is judged', () => {
    const found = checkRedisSettings(new Map(Object.entries(GOOD_INFO)), null, NEEDS)
    expect(
      found
        .filter(({ level }) => level !== 'ok')
        .map(({ what }) => what)
        .join(),
    ).to.include('CONFIG GET')
  })

  it('stand in INFO as lines in sections', () => {
    expect([...parseInfo('# Server\r\nredis_version:7.0.15\r\n\r\n# X\r\nos:Linux a:b\r\n')]).to.deep.equal([
      ['redis_version', '7.0.15'],
      ['os', 'Linux a:b'],
    ])
  })
})
