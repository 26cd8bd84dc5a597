import { EVENT_NAMES, createStory } from '@wazo-websocketd/ingest/load/templates'
import { expect } from 'chai'
import { demoConfig } from '../../deploy/demo/config.mjs'
import { readOptions } from '../../deploy/demo/options.mjs'
import { createWorld } from '../../deploy/demo/people.mjs'
import { STORIES, shuffledStories } from '../../deploy/demo/stories.mjs'
import { npmErrorOf } from '../support/install.mjs'

interface Body {
  name: string
  tenant_uuid?: string
  timestamp: string
  data: Record<string, unknown>
}

type Told = ReturnType<ReturnType<typeof createStory>> & { parsed: Body }

const NOW = Date.parse('2031-05-06T07:08:09Z')

function tell(story: (typeof STORIES)[number]['tell'], world = createWorld()): Told[] {
  const tenant = world.tenants[0]!
  const [user, peer] = tenant.users
  const event = createStory({ origin: world.origin, tenant, user: user!, peer: peer!, at: NOW - 5000 })
  const steps = [...(story as (random: () => number) => Iterable<number | [string, object?]>)(() => 0.1)]
  return steps
    .filter((step) => typeof step !== 'number')
    .map(([name, options]) => {
      const publication = event(name, { ...options, now: NOW })
      return { ...publication, parsed: JSON.parse(publication.body) as Body }
    })
}

describe("The demo's traffic", () => {
  const told = STORIES.flatMap((story) => tell(story.tell))

  it('uses every recorded event', () => {
    expect(new Set(told.map(({ parsed }) => parsed.name))).to.deep.equal(new Set(EVENT_NAMES))
  })

  it('has events on both exchanges, with and without a tenant', () => {
    expect(new Set(told.map(({ exchange }) => exchange))).to.deep.equal(new Set(['wazo-headers', 'xivo']))
    expect(told.some(({ parsed }) => parsed.tenant_uuid === undefined)).to.equal(true)
  })

  it('keeps nothing of the people and the day of the recording', () => {
    for (const { routingKey, headers, body } of told)
      expect(JSON.stringify([routingKey, headers, body])).not.to.match(
        /07e350b5|2c34c282|ca7f87e9|f1c8a3d2|Alice Demo|Bob Demo|\b17324\d{5}|2026-11-24T/,
      )
  })

  it('repeats in the body what the headers say, with the present time', () => {
    for (const { headers, parsed } of told) {
      expect(parsed).to.deep.include({ ...headers, data: parsed.data })
      expect(parsed.timestamp).to.equal('2031-05-06T07:08:09.000000')
    }
  })

  it('tells of one call under one id to both parties, and of nothing that has not happened yet', () => {
    const call = tell(STORIES[0]!.tell).filter(({ parsed }) => parsed.name.startsWith('call_'))
    const calls = call.filter(({ parsed }) => parsed.data['call_id'] !== undefined)
    expect(new Set(calls.map(({ parsed }) => parsed.data['call_id'])).size).to.equal(1)
    const created = call.filter(({ parsed }) => parsed.name === 'call_created')
    expect(created.map(({ parsed }) => parsed.data['is_caller'])).to.deep.equal([true, false])
    expect(created[0]!.parsed.data['caller_id_name']).to.equal(created[1]!.parsed.data['peer_caller_id_name'])
    const ended = call.find(({ parsed }) => parsed.name === 'call_ended')!.parsed
    expect(Date.parse(ended.data['hangup_time'] as string)).to.be.at.most(NOW)
  })

  it('gives every story its share', () => {
    const stories = shuffledStories(Math.random)
    const size = STORIES.reduce((sum, { share }) => sum + share, 0)
    const deck = Array.from({ length: size }, () => stories.next().value as unknown)
    for (const { share, tell: story } of STORIES)
      expect(deck.filter((card) => card === story)).to.have.length(share)
  })
})

describe("The demo's options", () => {
  it('are optional', () => {
    expect(readOptions([], {})).to.deep.equal({
      rate: null,
      generator: true,
      help: false,
      port: null,
      durationMs: null,
      amqpUrl: null,
      redisUrl: null,
    })
  })

  it('are read from the command line and the environment', () => {
    const env = { DEMO_AMQP_URL: 'amqp://u:p@h/v', DEMO_REDIS_URL: 'redis://h:1' }
    expect(readOptions(['--no-generator'], {})).to.deep.include({ generator: false })
    expect(readOptions(['--port', '8000', '--duration=5', '--rate', '7'], env)).to.deep.include({
      rate: 7,
      port: 8000,
      durationMs: 5000,
      amqpUrl: 'amqp://u:p@h/v',
      redisUrl: 'redis://h:1',
    })
  })

  for (const [args, message] of [
    [['--port', 'x'], /--port needs a whole number from 0 to 65535, not "x"/],
    [['--port', '65536'], /--port needs a whole number/],
    [['--duration', '0'], /--duration needs a whole number from 1/],
    [['--rate', '0'], /--rate needs a whole number from 1 to 10000/],
    [['--rate', '5', '--no-generator'], /--rate and --no-generator exclude each other/],
    [['--prot', '1'], /Unknown option '--prot'/],
    [['something'], /Unexpected argument 'something'/],
  ] as const)
    it(`are refused in one line: ${args.join(' ')}`, () => {
      expect(() => readOptions(args, {})).to.throw(message)
      expect(() => readOptions(args, {})).to.throw(/^[^\n]+$/)
    })

  it('are refused without repeating an address, which may hold a password', () => {
    expect(() => readOptions([], { DEMO_AMQP_URL: 'http://u:secret@h' })).to.throw(
      /^DEMO_AMQP_URL(?!.*secret)/,
    )
  })
})

describe('npm that fails', () => {
  it("is told by npm's own first lines, not by the name of its log", () => {
    const output = [
      'npm warn deprecated x',
      'npm error code ENOTFOUND',
      'npm error syscall getaddrinfo',
      'npm error network request to https://registry.example/x failed',
      'npm error',
      'npm error A complete log of this run can be found in: /root/.npm/_logs/x.log',
    ].join('\n')
    expect(npmErrorOf(output)).to.equal(
      'code ENOTFOUND; syscall getaddrinfo; network request to https://registry.example/x failed',
    )
    expect(npmErrorOf('spawn npm ENOENT')).to.equal('spawn npm ENOENT')
  })
})

describe("The demo's configuration", () => {
  it('takes the parts of an AMQP address as they are meant', () => {
    const text = demoConfig({
      directory: '/d',
      origin: 'o',
      auth: { host: 'a', port: 1, serviceId: 'i', serviceKey: 'k' },
      amqpUrl: 'amqp://us%40er:p%2Fw@broker/wa%2Fzo',
      redisUrl: 'redis://r',
      ports: { websocket: 1, edge: 2, ingest: 3 },
    })
    const { bus } = JSON.parse(text) as { bus: object }
    expect(bus).to.deep.equal({
      host: 'broker',
      port: 5672,
      username: 'us@er',
      password: 'p/w',
      vhost: 'wa/zo',
    })
  })
})
