import { expect } from 'chai'
import { randomUUID } from 'node:crypto'
import {
  HEADERS_EXCHANGE,
  LEGACY_EXCHANGE,
  MISSING,
  wazoEvent,
  withHeaders,
  type BusMessage,
} from './support/bus.js'
import { openCast, type Cast, type Role } from './support/cast.js'
import { useTarget } from './support/target.js'

const ELSEWHERE = '11111111-2222-4333-8444-555555555555'
const MIB = 1024 * 1024

/** The roles that see every event of the tenant. */
const ADMINS: readonly Role[] = ['admin', 'internal', 'external_api', 'master']

describe('contract 4: which session gets which event', () => {
  const target = useTarget()
  let cast: Cast

  // The cast is connected anew for each test: the sessions of a test end with it.
  beforeEach(async () => {
    cast = await openCast(target(), ['foo'])
  })

  /** Publishes one message and says which roles received exactly its body, once. */
  const receivers = async (message: BusMessage, tenant = cast.tenant) => {
    await target().bus.publish(message)
    return cast.receivers(message.body.toString(), tenant)
  }

  describe('users and tenants', () => {
    const FORMS: readonly [
      rule: string,
      what: string,
      keys: () => Partial<Parameters<typeof wazoEvent>[0]>,
      roles: readonly Role[],
    ][] = [
      ['C4.5 C4.6', 'for one user', () => ({ users: [cast.user('user')] }), ['user', ...ADMINS]],
      [
        'C4.5 C4.6',
        'for another user',
        () => ({ users: [cast.user('other user')] }),
        ['other user', ...ADMINS],
      ],
      [
        'C4.5 C4.6',
        'for several users',
        () => ({ users: [cast.user('user'), randomUUID(), cast.user('other user')] }),
        ['user', 'other user', ...ADMINS],
      ],
      ['C4.5 C4.6', 'for somebody else', () => ({ users: [randomUUID()] }), ADMINS],
      ['C4.5', 'for the whole tenant', () => ({ everyone: true }), ['user', 'other user', ...ADMINS]],
      [
        'C4.5',
        'for one user and the whole tenant',
        () => ({ everyone: true, users: [cast.user('user')] }),
        ['user', 'other user', ...ADMINS],
      ],
      ['C4.6', 'for nobody in particular', () => ({}), ADMINS],
      [
        'C4.4',
        'for everyone of another tenant',
        () => ({ tenant: cast.otherTenant, everyone: true }),
        ['other tenant', 'other tenant admin', 'master'],
      ],
      [
        'C4.4',
        'for our user in another tenant',
        () => ({ tenant: cast.otherTenant, users: [cast.user('user')] }),
        ['other tenant admin', 'master'],
      ],
      [
        'C4.4',
        'for everyone of the master tenant',
        () => ({ tenant: target().auth.masterTenant, everyone: true }),
        ['master'],
      ],
      [
        'C4.4',
        'for everyone of an unknown tenant',
        () => ({ tenant: randomUUID(), everyone: true }),
        ['master'],
      ],
      ['C4.7', 'without a tenant', () => ({ tenant: null }), ['master']],
      ['C4.7', 'without a tenant, for everyone', () => ({ tenant: null, everyone: true }), ['master']],
      [
        'C4.7',
        'without a tenant, for one user',
        () => ({ tenant: null, users: [cast.user('user')] }),
        ['master'],
      ],
    ]
    for (const [rule, what, keys, roles] of FORMS) {
      it(`${rule}: an event ${what} reaches ${roles.join(', ')}`, async () => {
        const form = keys()
        const tenant = form.tenant === undefined ? cast.tenant : form.tenant
        const event = wazoEvent({ name: 'foo', tenant, ...form })
        expect(await receivers(event, tenant ?? undefined)).to.have.members([...roles])
      })
    }
  })

  describe('required_acl', () => {
    const everyone: readonly Role[] = ['user', 'other user', ...ADMINS]

    it('C4.8: missing in headers and body it reaches nobody', async () => {
      expect(
        await receivers(wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true, acl: MISSING })),
      ).to.deep.equal([])
    })

    it('C4.9: null it reaches everybody', async () => {
      expect(
        await receivers(wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true, acl: null })),
      ).to.have.members([...everyone])
    })

    it('C4.10: a string reaches those whose ACL matches', async () => {
      const event = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true, acl: 'events.foo' })
      expect(await receivers(event)).to.have.members([...everyone])
    })

    it('C4.10: administrators need the right too', async () => {
      const event = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true, acl: 'elsewhere.foo' })
      expect(await receivers(event)).to.deep.equal([])
    })

    it('C4.10: an empty string is a string, which `events.#` does not match', async () => {
      const event = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true, acl: '' })
      expect(await receivers(event)).to.deep.equal([])
    })

    const ODD: readonly unknown[] = [0, 1, 1.5, true, false, [], ['events.foo'], {}, { acl: 'events.foo' }]
    for (const acl of ODD) {
      it(`C4.11: ${JSON.stringify(acl)} reaches nobody`, async () => {
        const event = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true, acl })
        expect(await receivers(event)).to.deep.equal([])
      })

      it(`C4.11: ${JSON.stringify(acl)} in the body alone reaches nobody`, async () => {
        const event = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true, acl })
        expect(await receivers(withHeaders(event, { required_acl: undefined }))).to.deep.equal([])
      })
    }
  })

  describe('headers before body', () => {
    interface Case {
      readonly what: string
      /** Added to or, when undefined, taken out of the good headers. */
      readonly headers: () => Record<string, unknown>
      readonly body: () => Record<string, unknown>
      readonly roles: readonly Role[]
    }
    const everyone: readonly Role[] = ['user', 'other user', ...ADMINS]
    const CASES: readonly Case[] = [
      {
        what: 'the name of the headers',
        headers: () => ({ name: 'foo' }),
        body: () => ({ name: 'bar' }),
        roles: everyone,
      },
      {
        what: 'not the name of the body',
        headers: () => ({ name: 'bar' }),
        body: () => ({ name: 'foo' }),
        roles: [],
      },
      {
        what: 'the name of the body when the headers have none',
        headers: () => ({ name: undefined }),
        body: () => ({ name: 'foo' }),
        roles: everyone,
      },
      {
        what: 'the origin of the headers',
        headers: () => ({}),
        body: () => ({ origin_uuid: ELSEWHERE }),
        roles: everyone,
      },
      {
        what: 'not the origin of the body',
        headers: () => ({ origin_uuid: ELSEWHERE }),
        body: () => ({}),
        roles: [],
      },
      {
        what: 'the origin of the body when the headers have none',
        headers: () => ({ origin_uuid: undefined }),
        body: () => ({}),
        roles: everyone,
      },
      {
        what: 'a foreign origin of the body when the headers have none',
        headers: () => ({ origin_uuid: undefined }),
        body: () => ({ origin_uuid: ELSEWHERE }),
        roles: [],
      },
      {
        what: 'the tenant of the headers',
        headers: () => ({ tenant_uuid: cast.tenant }),
        body: () => ({ tenant_uuid: cast.otherTenant }),
        roles: everyone,
      },
      {
        what: 'not the tenant of the body',
        headers: () => ({ tenant_uuid: cast.otherTenant }),
        body: () => ({ tenant_uuid: cast.tenant }),
        roles: ['other tenant', 'other tenant admin', 'master'],
      },
      {
        what: 'the tenant of the body when the headers have none',
        headers: () => ({ tenant_uuid: undefined }),
        body: () => ({ tenant_uuid: cast.tenant }),
        roles: everyone,
      },
      {
        what: 'the required_acl of the headers',
        headers: () => ({ required_acl: 'events.foo' }),
        body: () => ({ required_acl: 'elsewhere.foo' }),
        roles: everyone,
      },
      {
        what: 'not the required_acl of the body',
        headers: () => ({ required_acl: 'elsewhere.foo' }),
        body: () => ({ required_acl: 'events.foo' }),
        roles: [],
      },
      {
        what: 'a null required_acl of the headers',
        headers: () => ({ required_acl: null }),
        body: () => ({ required_acl: 'elsewhere.foo' }),
        roles: everyone,
      },
      {
        what: 'the required_acl of the body when the headers have none',
        headers: () => ({ required_acl: undefined }),
        body: () => ({ required_acl: 'events.foo' }),
        roles: everyone,
      },
      {
        what: 'a null required_acl of the body when the headers have none',
        headers: () => ({ required_acl: undefined }),
        body: () => ({ required_acl: null }),
        roles: everyone,
      },
      {
        what: 'an odd required_acl of the headers, whatever the body has',
        headers: () => ({ required_acl: false }),
        body: () => ({ required_acl: null }),
        roles: [],
      },
      {
        what: 'user_uuid:* of the headers',
        headers: () => ({ 'user_uuid:*': true }),
        body: () => ({ 'user_uuid:*': false }),
        roles: everyone,
      },
      {
        what: 'not user_uuid:* of the body',
        headers: () => ({ 'user_uuid:*': false }),
        body: () => ({ 'user_uuid:*': true }),
        roles: ADMINS,
      },
      {
        what: 'user_uuid:* of the body when the headers have none',
        headers: () => ({ 'user_uuid:*': undefined }),
        body: () => ({ 'user_uuid:*': true }),
        roles: everyone,
      },
    ]
    for (const { what, headers, body, roles } of CASES) {
      it(`C4.12: ${what} counts`, async () => {
        const good = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true, acl: 'events.foo' })
        const message = {
          headers: withHeaders(good, headers()).headers,
          body: JSON.stringify({ ...(JSON.parse(good.body) as object), ...body() }),
        }
        expect(await receivers(message)).to.have.members([...roles])
      })
    }

    it('C4.12: a message without any header is judged by its body', async () => {
      const { body } = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true, acl: 'events.foo' })
      expect(await receivers({ headers: null, body })).to.have.members([...everyone])
    })

    it('C4.12: keys below data are not looked at', async () => {
      const { body } = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true })
      expect(await receivers({ headers: null, body: `{"data":${body}}` })).to.deep.equal([])
    })

    for (const value of [false, null, 0, 1, 'true', '', 'True']) {
      it(`C4.13: user_uuid:<uuid> = ${JSON.stringify(value)} does not count`, async () => {
        const event = wazoEvent({ name: 'foo', tenant: cast.tenant })
        const headers = { ...event.headers, [`user_uuid:${cast.user('user')}`]: value }
        expect(await receivers({ headers, body: event.body })).to.have.members([...ADMINS])
      })
    }

    it('C4.13: user_uuid:* = "true" does not count', async () => {
      const event = wazoEvent({ name: 'foo', tenant: cast.tenant })
      expect(
        await receivers({ headers: { ...event.headers, 'user_uuid:*': 'true' }, body: event.body }),
      ).to.have.members([...ADMINS])
    })
  })

  describe('origin', () => {
    for (const origin of [ELSEWHERE, '', null, 1]) {
      it(`C4.2: an event of the origin ${JSON.stringify(origin)} reaches nobody`, async () => {
        const event = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true })
        const headers = { ...event.headers, origin_uuid: origin }
        const body = JSON.stringify({ ...headers, data: 1 })
        expect(await receivers({ headers, body })).to.deep.equal([])
      })
    }

    it('C4.2: an event without any origin reaches nobody', async () => {
      const event = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true })
      const { headers } = withHeaders(event, { origin_uuid: undefined })
      expect(await receivers({ headers, body: JSON.stringify({ ...headers, data: 1 }) })).to.deep.equal([])
    })
  })

  describe('exchanges', () => {
    const everyone: readonly Role[] = ['user', 'other user', ...ADMINS]

    for (const exchange of [HEADERS_EXCHANGE, LEGACY_EXCHANGE]) {
      for (const routingKey of ['', 'auth.tenants.created', 'x'.repeat(200)]) {
        it(`C4.14: an event on ${exchange} with the routing key "${routingKey.slice(0, 20)}" arrives`, async () => {
          const event = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true })
          expect(await receivers({ ...event, exchange, routingKey })).to.have.members([...everyone])
        })
      }
    }

    it('C4.15: an event on xivo arrives once when xivo is bound to wazo-headers as well', async () => {
      const undo = await target().bus.bridgeExchanges()
      try {
        const event = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true })
        expect(await receivers({ ...event, exchange: LEGACY_EXCHANGE, routingKey: 'a.b' })).to.have.members([
          ...everyone,
        ])
      } finally {
        await undo()
      }
    })
  })

  describe('messages that are no events', () => {
    const POISON: readonly [what: string, message: (good: BusMessage) => BusMessage][] = [
      ['invalid JSON', (good) => ({ ...good, body: '{"name":"foo",' })],
      ['an empty body', (good) => ({ ...good, body: '' })],
      ['a list', (good) => ({ ...good, body: '[{"name":"foo"}]' })],
      ['a text', (good) => ({ ...good, body: '"foo"' })],
      ['null', (good) => ({ ...good, body: 'null' })],
      ['a number', (good) => ({ ...good, body: '1' })],
      ['a number of no language', (good) => ({ ...good, body: '{"name":"foo","data":+Infinity}' })],
      ['nan', (good) => ({ ...good, body: '{"name":"foo","data":nan}' })],
      ['a byte-order mark', (good) => ({ ...good, body: '\ufeff{"name":"foo"}' })],
      [
        'invalid UTF-8',
        (good) => ({
          ...good,
          body: Buffer.from([...Buffer.from('{"name":"foo","data":"'), 0xff, 0xc0, 0x22, 0x7d]),
        }),
      ],
      [
        'a lone surrogate in UTF-8',
        (good) => ({
          ...good,
          body: Buffer.from([...Buffer.from('{"name":"foo","data":"'), 0xed, 0xa0, 0x80, 0x22, 0x7d]),
        }),
      ],
      ['two objects', (good) => ({ ...good, body: '{"name":"foo"}{"name":"foo"}' })],
      ['a trailing comma', (good) => ({ ...good, body: '{"name":"foo",}' })],
      ['no name at all', (good) => ({ ...withHeaders(good, { name: undefined }), body: '{"data":1}' })],
      ['a name that is a number', (good) => ({ headers: { ...good.headers, name: 1 }, body: good.body })],
      ['a name that is null', (good) => ({ headers: { ...good.headers, name: null }, body: good.body })],
      [
        'a tenant that is a number',
        (good) => ({ headers: { ...good.headers, tenant_uuid: 1 }, body: '{"name":"foo"}' }),
      ],
      ['no headers and an empty object', () => ({ headers: null, body: '{}' })],
      [
        'headers of every type',
        (good) => ({
          ...good,
          headers: {
            name: ['foo'],
            tenant_uuid: {},
            origin_uuid: Buffer.from('x'),
            required_acl: new Date(0).getTime(),
            n: 1.5,
            t: { '!': 'timestamp', value: 1 },
          },
        }),
      ],
    ]
    for (const [what, message] of POISON) {
      it(`C4.18: ${what} reaches nobody in the tenant, and the next event arrives`, async () => {
        const good = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true })
        await target().bus.publish(message(good), good)
        const roles: Role[] = ['user', 'other user', 'admin', 'internal', 'external_api']
        for (const role of roles) expect(await cast.received(role), role).to.deep.equal([good.body])
      })
    }

    it('C4.21: bodies with what Python writes for numbers that JSON has not arrive byte for byte', async () => {
      const { headers } = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true })
      const bodies = ['NaN', 'Infinity', '-Infinity', '[1, NaN, "Infinity"]'].map(
        (data) => `{"name": "foo", "data": ${data}}`,
      )
      await target().bus.publish(...bodies.map((body) => ({ headers, body })))
      expect(await cast.received('user')).to.deep.equal(bodies)
    })

    it('C4.18: deeply nested JSON disturbs nobody', async () => {
      const good = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true })
      const depth = 200_000
      const nested = { ...good, body: `{"name":"foo","data":${'['.repeat(depth)}` }
      await target().bus.publish(nested, good)
      expect(await cast.received('user')).to.deep.equal([good.body])
    })

    it('C4.19: a body of 900 KiB arrives, and one of more than 1 MiB does not', async () => {
      const bodies = [900 * 1024, MIB + 1, 3 * MIB].map((size) => {
        const head = '{"name":"foo","data":"'
        return `${head}${'x'.repeat(size - head.length - 2)}"}`
      })
      const { headers } = wazoEvent({ name: 'foo', tenant: cast.tenant, everyone: true })
      await target().bus.publish(...bodies.map((body) => ({ headers, body })))
      const received = await cast.received('user')
      expect(received.map((body) => body.length)).to.deep.equal([900 * 1024])
      expect(received[0] === bodies[0]).to.equal(true)
    })
  })
})
