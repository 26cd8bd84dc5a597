import { Supply, type SupplyOptions } from '@wazo-websocketd/ingest/load/supply'
import { expect } from 'chai'

const NOW = Date.parse('2031-05-06T07:08:09Z')
const TIMESTAMP = '2031-05-06T07:08:09.000000'
const GIVEN = {
  exchange: null,
  routingKey: '',
  headers: { name: 'x', 'user_uuid:*': true },
  body: { name: 'x', 'user_uuid:*': true, data: { n: 1 } },
}

function supply(options: Partial<SupplyOptions>): Supply {
  const none = {
    origin: null,
    tenant: null,
    user: null,
    acl: undefined,
    exchanges: new Map(),
    now: () => NOW,
  }
  return new Supply({ events: ['call_created'], ...none, ...options })
}

const next = (from: Supply) => {
  const { body, ...rest } = from.next()
  return { ...rest, body: JSON.parse(body) as Record<string, unknown> }
}

describe('The supply of events', () => {
  it('makes recorded events those of a user and tenant, in headers and body', () => {
    const { exchange, headers, body } = next(supply({ tenant: 't-1', user: 'u-1', origin: 'o-1' }))
    expect(exchange).to.equal('wazo-headers')
    for (const keys of [headers, body])
      expect(keys).to.include({
        name: 'call_created',
        tenant_uuid: 't-1',
        origin_uuid: 'o-1',
        required_acl: 'events.calls.u-1',
        'user_uuid:u-1': true,
        timestamp: TIMESTAMP,
      })
  })

  it('has people of its own where none are named, the same for all events', () => {
    const made = supply({})
    const [first, second] = [next(made), next(made)]
    expect(first.body['tenant_uuid']).to.equal(made.tenant)
    expect(second.headers).to.have.property(`user_uuid:${made.user}`, true)
  })

  it('replaces in given events only what it is told, and the time', () => {
    expect(next(supply({ events: [GIVEN] }))).to.deep.equal({
      exchange: 'wazo-headers',
      routingKey: '',
      headers: { ...GIVEN.headers, timestamp: TIMESTAMP },
      body: { ...GIVEN.body, timestamp: TIMESTAMP },
    })
    const { headers } = next(supply({ events: [GIVEN], tenant: 't', user: 'u', acl: null, origin: 'o' }))
    expect(headers).to.deep.equal({
      ...{ name: 'x', tenant_uuid: 't', 'user_uuid:u': true, required_acl: null },
      ...{ origin_uuid: 'o', timestamp: TIMESTAMP },
    })
  })

  it('goes to the exchanges that this Wazo has', () => {
    const exchanges = new Map([
      ['wazo-headers', 'mine'],
      ['xivo', 'older'],
    ])
    const made = supply({ events: ['call_created', GIVEN, 'auth_session_created'], exchanges })
    expect([next(made), next(made), next(made)].map(({ exchange }) => exchange)).to.deep.equal([
      'mine',
      'mine',
      'older',
    ])
  })

  it('takes them in turn', () => {
    const made = supply({ events: ['call_created', GIVEN], acl: 'a.b' })
    const names = [next(made), next(made), next(made)].map(({ body }) => [body['name'], body['required_acl']])
    expect(names).to.deep.equal([
      ['call_created', 'a.b'],
      ['x', 'a.b'],
      ['call_created', 'a.b'],
    ])
  })
})
