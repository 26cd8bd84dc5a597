import { expect } from 'chai'
import { randomUUID } from 'node:crypto'
import { wazoEvent } from './support/bus.js'
import { useTarget } from './support/target.js'

const USER = '07e350b5-cb5f-4b5f-b6f0-7d1cd2c1e9a1'
const SESSION = '5f0e1a2b-3c4d-4e5f-8a6b-7c8d9e0f1a2b'

/** One ACL, and what it does and does not allow. */
interface Case {
  readonly rule: string
  readonly acl: readonly string[]
  readonly yes?: readonly string[]
  readonly no?: readonly string[]
}

const CASES: readonly Case[] = [
  {
    rule: 'C5.1',
    acl: ['events.*'],
    yes: ['events.a', 'events.abc', 'events.'],
    no: ['events', 'events.a.b', 'events.a#b', 'xevents.a'],
  },
  { rule: 'C5.1', acl: ['*.calls.*'], yes: ['events.calls.me', '.calls.'], no: ['calls.me', 'a.b.calls.c'] },
  {
    rule: 'C5.1',
    acl: ['events.call*'],
    yes: ['events.call', 'events.calls', 'events.call_created'],
    no: ['events.cal', 'events.call.x'],
  },
  {
    rule: 'C5.1',
    acl: ['e*s.c*l*'],
    yes: ['events.calls', 'es.cl', 'es.cxlx'],
    no: ['e.s.cl', 'events.ccc'],
  },
  { rule: 'C5.1', acl: ['*'], yes: ['events', ''], no: ['events.a', '#'] },
  { rule: 'C5.1', acl: ['a**b'], yes: ['ab', 'axb'], no: ['a.b'] },
  { rule: 'C5.2', acl: ['#'], yes: ['', 'a', 'a.b.c', '#', '*', 'a\nb'] },
  {
    rule: 'C5.2',
    acl: ['events.#'],
    yes: ['events.', 'events.a', 'events.a.b', 'events.a#b'],
    no: ['events', 'event.a'],
  },
  {
    rule: 'C5.2',
    acl: ['events.#.edit'],
    yes: ['events.a.b.edit', 'events..update'],
    no: ['events.edit', 'events.a.b'],
  },
  { rule: 'C5.2', acl: ['a#z'], yes: ['az', 'a.b.z', 'a#z'], no: ['a.b', 'b.z'] },
  {
    rule: 'C5.3',
    acl: ['events.users.me.#'],
    yes: [`events.users.${USER}.x`, `events.users.${USER}.`],
    no: [`events.users.${randomUUID()}.x`, `events.users.${USER}`],
  },
  { rule: 'C5.3', acl: ['me'], yes: [USER], no: [`${USER}.a`, `a.${USER}`] },
  { rule: 'C5.3', acl: ['me.me'], yes: [`${USER}.${USER}`, `${USER}.me`, `me.${USER}`], no: [USER] },
  {
    rule: 'C5.3',
    acl: ['events.#', '!events.users.me'],
    yes: [`events.users.${randomUUID()}`],
    no: [`events.users.${USER}`],
  },
  {
    rule: 'C5.4',
    acl: ['events.sessions.my_session.deleted'],
    yes: [`events.sessions.${SESSION}.deleted`],
    no: [`events.sessions.${randomUUID()}.deleted`, `events.sessions.${USER}.deleted`],
  },
  { rule: 'C5.4', acl: ['*.my_session'], yes: [`a.${SESSION}`], no: [`a.b.${SESSION}`] },
  {
    rule: 'C5.5',
    acl: ['events.users.edit'],
    yes: ['events.users.update'],
    no: ['events.users.updated', 'events.users.upd'],
  },
  { rule: 'C5.5', acl: ['edit.*'], yes: ['update.a', 'edit.a'], no: ['create.a'] },
  { rule: 'C5.5', acl: ['events.update'], yes: ['events.update'], no: ['events.edit'] },
  {
    rule: 'C5.6',
    acl: ['events.me.my_session.edit'],
    yes: ['events.me.my_session.edit', `events.${USER}.${SESSION}.update`],
    no: [`events.${SESSION}.${USER}.edit`],
  },
  {
    rule: 'C5.6',
    acl: ['events.meme.my_sessions.edits'],
    yes: ['events.meme.my_sessions.edits'],
    no: [`events.${USER}${USER}.my_sessions.edits`, 'events.meme.my_sessions.updates'],
  },
  { rule: 'C5.6', acl: ['events.me*'], yes: ['events.me', 'events.mexx'], no: [`events.${USER}`] },
  {
    rule: 'C5.6',
    acl: ['events.ME', 'events.Edit'],
    yes: ['events.ME'],
    no: [`events.${USER}`, 'events.me', 'events.update'],
  },
  {
    rule: 'C5.7',
    acl: ['events.#', '!events.calls.*'],
    yes: ['events.users', 'events.calls.a.b'],
    no: ['events.calls.a'],
  },
  {
    rule: 'C5.7',
    acl: ['!events.calls.*', 'events.#', 'events.calls.a'],
    yes: ['events.users'],
    no: ['events.calls.a', 'events.calls.b'],
  },
  {
    rule: 'C5.7',
    acl: ['events.#', '!#.edit'],
    yes: ['events.a.read'],
    no: ['events.a.edit', 'events.a.update'],
  },
  { rule: 'C5.7', acl: ['events.#', '!!events.a'], yes: ['events.a', 'events.b'] },
  { rule: 'C5.8', acl: [], no: ['events.a', '', 'websocketd.x'] },
  { rule: 'C5.8', acl: ['!events.a'], no: ['events.a', 'events.b'] },
  { rule: 'C5.8', acl: ['calls.#', ''], yes: ['calls.a', ''], no: ['events.a'] },
  {
    rule: 'C5.9',
    acl: ['events.a'],
    yes: ['events.a'],
    no: ['events.ab', 'xevents.a', 'events', 'events.A', 'Events.a', 'events.a\n', 'eventsxa'],
  },
  {
    rule: 'C5.9',
    acl: ['a+b', 'a(b', 'c|d', '[x]', '^e$', 'f?', 'g{2}', 'h\\d'],
    yes: ['a+b', 'a(b', 'c|d', '[x]', '^e$', 'f?', 'g{2}', 'h\\d'],
    no: ['aab', 'c', 'd', 'x', 'e', 'f', 'gg', 'h1'],
  },
  { rule: 'C5.9', acl: ['events.é.😀'], yes: ['events.é.😀'], no: ['events.e.😀'] },
]

describe('contract 5: ACL matching', () => {
  const target = useTarget()

  for (const { rule, acl, yes = [], no = [] } of CASES) {
    it(`${rule}: ${JSON.stringify(acl)} allows what it should and no more`, async () => {
      const token = { user: USER, session: SESSION, tenant: randomUUID(), acl: ['websocketd', ...acl] }
      const reader = await target().read(['foo'], token)
      const events = [...yes, ...no].map((required) => ({
        required,
        ...wazoEvent({ name: 'foo', tenant: token.tenant, everyone: true, acl: required }),
      }))
      await target().bus.publish(...events)
      const received = new Set(await reader.received())
      const allowed = events.filter(({ body }) => received.has(body)).map(({ required }) => required)
      expect(allowed).to.deep.equal([...yes])
    })
  }

  it('C5.3 C5.4: two sessions with the same ACL are told apart by their user and session', async () => {
    const tenant = randomUUID()
    const acl = ['websocketd', 'events.me', 'sessions.my_session']
    const readers = [
      await target().read(['foo'], { tenant, acl }),
      await target().read(['foo'], { tenant, acl }),
    ]
    const events = readers.flatMap(({ token }) => [
      wazoEvent({ name: 'foo', tenant, everyone: true, acl: `events.${token.metadata.uuid}` }),
      wazoEvent({ name: 'foo', tenant, everyone: true, acl: `sessions.${token.session_uuid}` }),
    ])
    await target().bus.publish(...events)
    const bodies = events.map(({ body }) => body)
    expect(await readers[0]!.received()).to.deep.equal(bodies.slice(0, 2))
    expect(await readers[1]!.received()).to.deep.equal(bodies.slice(2))
  })

  it('C5.8 C4.9: an event for everybody reaches a session without any right but websocketd', async () => {
    const reader = await target().read(['foo'], { acl: ['websocketd'] })
    const event = wazoEvent({
      name: 'foo',
      tenant: reader.token.metadata.tenant_uuid,
      everyone: true,
      acl: null,
    })
    await target().bus.publish(event)
    expect(await reader.received()).to.deep.equal([event.body])
  })

  it('C5.10: patterns that make a naive regular expression run for 20 s do not', async () => {
    const bomb = `${'#a'.repeat(6)}!`
    const stars = `${'*a'.repeat(20)}!`
    const reader = await target().read(['foo'], {
      acl: ['websocketd', 'events.ok', bomb, stars, `!${bomb}`, `!${stars}`],
    })
    const tenant = reader.token.metadata.tenant_uuid
    const events = ['a'.repeat(160), 'events.ok', 'a'.repeat(160)].map((acl) =>
      wazoEvent({ name: 'foo', tenant, everyone: true, acl }),
    )
    const begin = performance.now()
    await target().bus.publish(...events)
    expect(await reader.received()).to.deep.equal([events[1]!.body])
    expect(performance.now() - begin).to.be.below(1000)
  })
})
