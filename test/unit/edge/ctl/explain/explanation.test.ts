import { readEventFile } from '@wazo-websocketd/edge/ctl/explain/event-file'
import { explain, type Explanation, type ExplainOptions } from '@wazo-websocketd/edge/ctl/explain/explanation'
import { eventLines, sessionsLines } from '@wazo-websocketd/edge/ctl/explain/explanation-text'
import { Router } from '@wazo-websocketd/edge/route/router'
import { SubscriptionIndex } from '@wazo-websocketd/edge/route/subscription-index'
import { expect } from 'chai'
import fc from 'fast-check'
import { identityFor, MASTER, TENANTS, tokenOf, USERS } from '../../../../support/population.js'
import { CountingMetrics, eventOf, identityOf } from '../../../../support/fakes/recipients.js'
import { maySee, readEvent } from '../../../../support/reference-rights.js'

const ORIGIN = 'this-wazo'
const PAIRS = 1_000
const BODY_BYTES_MAX = 1_000_000

function options(over: Partial<ExplainOptions> = {}): ExplainOptions {
  const accessScope = over.accessScope ?? 'tenant'
  const router = new Router({ index: new SubscriptionIndex(), accessScope, metrics: new CountingMetrics() })
  return { router, accessScope, origin: ORIGIN, ...over }
}

/** A message of the bus as its publisher sends it: keys in the headers, in the body, or missing. */
const message = fc
  .record({
    name: fc.constantFrom('foo', 'bar'),
    origin_uuid: fc.constantFrom(ORIGIN, ORIGIN, ORIGIN, ORIGIN, 'another-wazo'),
    tenant_uuid: fc.constantFrom(...TENANTS, ...TENANTS, undefined),
    required_acl: fc.constantFrom(
      ...['x', 'x.u1', 'x.u2', 'x.me', 'x.u.3', 's1.a', 'u1.a', 'x.y.update', 'z', null, undefined],
    ),
    everyone: fc.boolean(),
    users: fc.subarray([...USERS], { maxLength: 3 }),
    inBody: fc.boolean(),
  })
  .map(({ everyone, users, inBody, ...keys }) => {
    const flags = [...(everyone ? ['*'] : []), ...users].map((user) => [`user_uuid:${user}`, true])
    const table = Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined))
    return {
      headers: { ...(inBody ? {} : table), ...Object.fromEntries(flags) } as Record<string, unknown>,
      body: { ...(inBody ? table : {}), data: {} },
    }
  })
const names = fc.oneof(
  fc.constant(null),
  fc.uniqueArray(fc.constantFrom<string>('foo', 'bar', '*', 'baz'), { maxLength: 2 }),
)

describe('the explanation of an event', () => {
  it(`is right about ${PAIRS} random pairs of token and event, by rules that were written down independently`, () => {
    const seen = { delivered: 0, withheld: 0, dropped: 0 }
    const failed = new Set<string>()
    fc.assert(
      fc.property(fc.nat(10_000), message, names, (n, { headers, body }, subscribed) => {
        const token = tokenOf(n)
        const text = JSON.stringify({ headers, body })
        const expected = readEvent(Buffer.from(JSON.stringify(body)), headers, ORIGIN)
        const read = readEventFile(text, { origin: ORIGIN, bodyBytesMax: BODY_BYTES_MAX })
        expect(read.kind === 'event', text).to.equal(expected !== null)
        if (read.kind === 'dropped' || expected === null) {
          seen.dropped++
          return
        }
        const subscriptions = subscribed === null ? null : new Set(subscribed)
        const may =
          (subscriptions === null || subscriptions.has('*') || subscriptions.has(expected.name)) &&
          maySee(token, expected, MASTER)
        const identity = identityFor(token)
        const { delivered, rules } = explain(
          { identity, subscriptions, started: true },
          read.event,
          options(),
        )
        expect(delivered, text).to.equal(may)
        // The rules that are named are the reason, all of it.
        expect(
          rules.every(({ passed }) => passed),
          JSON.stringify(rules),
        ).to.equal(may)
        for (const { rule, passed } of rules) if (!passed) failed.add(rule)
        seen[may ? 'delivered' : 'withheld']++
      }),
      { numRuns: PAIRS, seed: 18 },
    )
    expect(seen.delivered).to.be.at.least(PAIRS / 20)
    expect(seen.withheld).to.be.at.least(PAIRS / 20)
    expect(seen.dropped).to.be.at.least(PAIRS / 20)
    expect([...failed].sort()).to.deep.equal(['acl', 'name', 'tenant', 'user'])
  })

  const why = (explanation: Explanation, rule: string) =>
    explanation.rules.find((each) => each.rule === rule)!.why
  const aclWhy = (acl: readonly string[], requiredAcl: string | null) =>
    why(
      explain(
        { identity: identityOf({ acl }), subscriptions: null, started: true },
        eventOf({ requiredAcl }),
        options(),
      ),
      'acl',
    )

  it('names the pattern that allows, the one that denies, or that there is none', () => {
    expect(aclWhy(['a.b', 'events.#'], 'events.x')).to.equal('events.# allows events.x')
    expect(aclWhy(['events.#', '!events.x'], 'events.x')).to.equal(
      '!events.x denies events.x, which events.# would allow',
    )
    expect(aclWhy(['!events.*'], 'events.x')).to.equal('!events.* denies events.x')
    expect(aclWhy(['a', 'b'], 'events.x')).to.equal('none of the 2 patterns of the token allows events.x')
    expect(aclWhy([], null)).to.include('null')
    expect(aclWhy(['events.me'], 'events.user')).to.equal('events.me allows events.user')
  })

  it('says that an ACL is too costly to decide about where its patterns are made for it', () => {
    const acl = [...Array.from({ length: 3_000 }, (_, i) => `#a#a#a#a#a#b${i}#`), 'x#']
    expect(aclWhy(acl, `x${'a'.repeat(400)}`)).to.match(/too costly|allows/)
  })

  it('knows an old Wazo, where tenants and users do not count', () => {
    const event = eventOf({ tenant: 'another', everyone: false })
    const subject = { identity: identityOf({}), subscriptions: null, started: true }
    expect(explain(subject, event, options({ accessScope: 'acl' })).delivered).to.equal(true)
    expect(explain(subject, event, options()).delivered).to.equal(false)
  })

  it('of a session that has not started is that it gets nothing yet', () => {
    const event = eventOf({})
    const subject = { identity: identityOf({}), subscriptions: new Set(['*']), started: false }
    const explanation = explain(subject, event, options())
    expect(explanation.delivered).to.equal(false)
    const [, head, first] = eventLines({ event, dropped: null, explanations: [explanation] })
    expect(head).to.include('NOT DELIVERED, because of start')
    expect(first).to.include('op start')
  })

  it('without a session is what one would get', () => {
    const subject = { identity: identityOf({}), subscriptions: null, started: true }
    const explanation = explain(subject, eventOf({}), options())
    const lines = eventLines({ event: eventOf({}), dropped: null, explanations: [explanation] })
    expect(lines[1]).to.include(': WOULD BE DELIVERED')
  })

  it('is told in lines that say who, what and why', () => {
    const event = eventOf({
      name: 'call_created',
      tenant: 't2',
      everyone: false,
      users: ['u1', 'u2', 'u3', 'u4', 'u5', 'u6', 'u7'],
      requiredAcl: 'events.calls.u1',
      offset: 7,
      receivedAt: Date.UTC(2026, 0, 1),
    })
    const identity = identityOf({ tenantUuid: 't1', userUuid: 'me-myself', acl: ['events.calls.me'] })
    const explanation = explain(
      { identity, subscriptions: new Set(['foo']), started: true },
      event,
      options(),
    )
    expect(eventLines({ event, dropped: null, explanations: [explanation] })).to.deep.equal([
      '',
      'event call_created of 2026-01-01T00:00:00.000Z, offset 7: NOT DELIVERED, because of name, tenant, user, acl',
      '  NO  name    not subscribed to call_created: only to foo',
      `  ok  origin  its origin is this Wazo's, ${ORIGIN}`,
      '  NO  tenant  the event is of tenant t2, the token of tenant t1',
      '  NO  user    the event is for u1, u2, u3, u4, u5 and 2 more; the token is of user me-myself, who is no admin',
      '  NO  acl     none of the 1 patterns of the token allows events.calls.u1',
    ])
    expect(eventLines({ event: null, dropped: 'its body is not JSON', explanations: [] }).join()).to.include(
      'NOBODY GETS IT: the ingest drops it, because its body is not JSON',
    )
  })

  it('tells of sessions on this host, and that there may be others', () => {
    expect(sessionsLines([], identityOf({}))).to.have.length(1)
    expect(sessionsLines('it does not answer', identityOf({}))[0]).to.include('it does not answer')
  })
})
