import { expect } from 'chai'
import { randomUUID } from 'node:crypto'
import { wazoEvent } from './support/bus.js'
import { sessionDeleted } from './support/events.js'
import type { Reader } from './support/reader.js'
import { useTarget } from './support/target.js'

const POSITION = /^[!-~]{1,64}$/

describe('contract 7: positions', () => {
  const target = useTarget()
  let tenant: string

  beforeEach(() => (tenant = randomUUID()))

  const event = (name = 'foo', keys: object = { everyone: true }) =>
    wazoEvent({ name, tenant, data: randomUUID(), ...keys })
  const publish = (...events: ReturnType<typeof event>[]) => target().bus.publish(...events)
  const startOf = ({ told }: Reader) => told.start as { resumed: boolean; id: string; why?: string }
  const bodies = (events: readonly { body: string }[]) => events.map(({ body }) => body)

  it('C7.1: without `resume`, and in version 1, no message has or takes a position', async () => {
    const plain = await target().read(['foo'], { tenant })
    const first = await target().read(['foo'], { tenant, version: 1, resume: '' })
    const other = await target().read(['foo'], { tenant, version: 1, resume: 'x' })
    expect(plain.told).to.deep.equal({ init: { version: 2 }, start: null })
    for (const { told } of [first, other]) expect(told).to.deep.equal({ init: { version: 1 }, start: null })
    const one = event()
    await publish(one)
    const texts = await Promise.all([plain, first, other].map(({ session }) => session.next()))
    expect(texts).to.deep.equal([`{"op":"event","code":0,"data":${one.body}}`, one.body, one.body])
  })

  it('C7.3 C7.4: `init` tells how far back positions reach, `start` where the session is', async () => {
    const token = await target().auth.mint({ tenant })
    const session = await target().connect(token, { resume: '' })
    expect(await session.next()).to.match(
      /^\{"op":"init","code":0,"data":\{"version":2,"resume":\{"seconds":\d+\}\}\}$/,
    )
    session.send({ op: 'start' })
    expect(await session.next()).to.match(
      /^\{"op":"start","code":0,"data":\{"resumed":false,"id":"[!-~]{1,64}","why":"none"\}\}$/,
    )
    session.send({ op: 'start' })
    expect(await session.json()).to.have.nested.property('data.resumed', true)
  })

  it('C7.5: each event carries another position', async () => {
    const reader = await target().read(['foo'], { tenant, resume: '' })
    const events = Array.from({ length: 20 }, () => event())
    await publish(...events)
    expect(await reader.received()).to.deep.equal(bodies(events))
    const all = [startOf(reader).id, ...reader.positions]
    for (const id of all) expect(id).to.match(POSITION)
    expect(new Set(all).size).to.equal(all.length)
  })

  it('C7.6: from each position on, what came after it follows in order and once, then what is live', async () => {
    const details = await target().auth.mint({ tenant })
    const reader = await target().read(['foo'], { details, resume: '' })
    const events = Array.from({ length: 6 }, () => event())
    await publish(...events.slice(0, 4))
    await reader.received()
    reader.close()
    await publish(...events.slice(4))
    const positions = [startOf(reader).id, ...reader.positions.slice(0, 4)]
    for (const [missed, resume] of positions.entries()) {
      const back = await target().read(['foo'], { details, resume })
      expect(startOf(back)).to.deep.equal({ resumed: true, id: resume })
      const live = event()
      await publish(live)
      expect(await back.received()).to.deep.equal([...bodies(events.slice(missed)), live.body])
      expect(new Set(back.positions).size).to.equal(back.positions.length)
      back.close()
      events.push(live)
    }
  })

  it('C7.6 C7.9: a session that comes back again and again gets each event once', async () => {
    const details = await target().auth.mint({ tenant })
    const all: string[] = []
    let resume = ''
    const published: string[] = []
    for (let i = 0; i < 6; i++) {
      const reader = await target().read(['foo'], { details, resume })
      const [live, later] = [event(), event()]
      await publish(live)
      all.push(...(await reader.received()))
      resume = reader.positions.at(-1)!
      reader.close()
      await publish(later)
      published.push(live.body, later.body)
    }
    expect(all).to.deep.equal(published.slice(0, -1))
  })

  it('C7.7: rights and subscriptions are those of the session that comes', async () => {
    const acl = ['websocketd', 'events.#']
    const admin = await target().read(['foo', 'bar'], { tenant, admin: true, acl, resume: '' })
    const user = await target().auth.mint({ tenant, acl })
    const events = [
      event('foo', { users: [randomUUID()] }),
      event('bar'),
      event('foo', { everyone: true, acl: 'events.foo' }),
      event('foo', { everyone: true, acl: 'other.foo' }),
      event('foo', { users: [user.metadata.uuid] }),
    ]
    await publish(...events)
    expect(await admin.received()).to.deep.equal(bodies([0, 1, 2, 4].map((i) => events[i]!)))
    const resume = startOf(admin).id
    const asUser = await target().read(['foo'], { details: user, resume })
    expect(startOf(asUser).resumed).to.equal(true)
    expect(await asUser.received()).to.deep.equal(bodies([2, 4].map((i) => events[i]!)))
    const elsewhere = await target().read(['foo', 'bar'], { tenant: randomUUID(), acl, resume })
    expect(await elsewhere.received()).to.deep.equal([])
  })

  it('C7.7: a position does not help a token that was deleted', async () => {
    const details = await target().auth.mint({ tenant })
    const reader = await target().read(['foo'], { details, resume: '' })
    await target().auth.delete(details.token)
    await publish(sessionDeleted(details))
    expect(await reader.session.end()).to.include({ code: 4003 })
    const back = await target().connect(details, { resume: startOf(reader).id })
    expect(await back.end()).to.deep.include({ code: 4002, unread: [] })
  })

  it('C7.8: what is no position, or none of this server, refuses nobody', async () => {
    const details = await target().auth.mint({ tenant })
    const reader = await target().read(['foo'], { details, resume: '' })
    const [own] = [startOf(reader).id]
    const elsewhere = own.replace(/^[0-9a-f]{8}/, (text) => (text === '00000000' ? '11111111' : '00000000'))
    const wrong = ['x', '%20', '%00', '%F0%9F%92%A5', '0', `${own}x%21`, 'z'.repeat(5_000), elsewhere]
    for (const resume of wrong) {
      const back = await target().read(['foo'], { details, resume })
      expect(startOf(back), resume.slice(0, 80)).to.have.property('resumed', false)
      expect(startOf(back).why).to.equal(resume === elsewhere ? 'other epoch' : 'unknown')
      const live = event()
      await publish(live)
      expect(await back.received()).to.deep.equal([live.body])
      back.close()
    }
  })

  it('C7.2: of several the first that is not empty counts', async () => {
    const details = await target().auth.mint({ tenant })
    const reader = await target().read(['foo'], { details, resume: '' })
    const back = await target().read(['foo'], { details, resume: `&resume=${startOf(reader).id}&resume=x` })
    expect(startOf(back)).to.deep.equal({ resumed: true, id: startOf(reader).id })
  })

  it('C7.11: another `start` tells where the session is, also when nothing was for it', async () => {
    const details = await target().auth.mint({ tenant })
    const reader = await target().read(['foo'], { details, resume: '' })
    await publish(event('other'), event('foo', { users: [randomUUID()] }))
    await reader.received()
    const [behind] = reader.positions.splice(0)
    await publish(event('other'))
    // Those that it does not get are known to have passed it when another session has got one after them.
    const witness = await target().read(['foo'], { tenant })
    await witness.received()
    reader.session.send({ op: 'start' })
    const { data } = (await reader.session.json()) as { data: { resumed: boolean; id: string } }
    expect(data).to.include({ resumed: true })
    expect(data.id).to.match(POSITION)
    expect([behind, startOf(reader).id]).not.to.include(data.id)
    reader.close()
    const missed = event()
    await publish(missed)
    const back = await target().read(['foo'], { details, resume: data.id })
    expect(startOf(back)).to.deep.equal({ resumed: true, id: data.id })
    expect(await back.received()).to.deep.equal([missed.body])
  })

  it('C7.9: it goes on with a new token in place of the old one', async () => {
    const [old, next] = [await target().auth.mint({ tenant }), await target().auth.mint({ tenant })]
    const reader = await target().read(['foo'], { details: old, resume: '' })
    const events = [event(), event(), event()]
    await publish(events[0]!)
    await reader.received()
    reader.session.send({ op: 'token', data: { token: next.token } })
    expect(await reader.session.json()).to.have.property('op', 'token')
    await publish(events[1]!)
    expect(await reader.received()).to.deep.equal([events[1]!.body])
    const resume = reader.positions[0]!
    reader.close()
    await publish(events[2]!)
    const back = await target().read(['foo'], { details: next, resume })
    expect(await back.received()).to.deep.equal(bodies(events.slice(1)))
  })
})
