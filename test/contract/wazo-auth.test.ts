import { expect } from 'chai'
import { randomUUID } from 'node:crypto'
import { AUTH_DEADLINE_MS } from './support/environment.js'
import { wazoEvent, withHeaders } from './support/bus.js'
import { sessionDeleted } from './support/events.js'
import { useTarget } from './support/target.js'

describe('contract 6: wazo-auth', () => {
  const target = useTarget()

  it('C6.1: the look-up is for the token, with the scope websocketd', async () => {
    const token = await target().auth.mint()
    const session = await target().connect(token)
    await session.next()
    const { paths } = await target().auth.requests()
    const asked = paths.filter((path) => path.includes(token.token))
    expect(asked).to.have.length(1)
    expect(asked[0]).to.match(new RegExp(`/0\\.1/token/${token.token}\\?scope=websocketd$`))
  })

  const TRICKS: readonly [what: string, trick: (token: string) => string][] = [
    ['a scope of its own', (token) => `${token}?scope=events.x`],
    ['a scope in place of ours', (token) => `${token}?scope=&x=`],
    ['a fragment', (token) => `${token}#`],
    ['a path behind it', (token) => `${token}/../${token}`],
    ['a path before it', (token) => `../token/${token}`],
    ['an escaped slash', (token) => `..%2ftoken%2f${token}`],
    ['an escaped letter', (token) => `%${token.charCodeAt(0).toString(16)}${token.slice(1)}`],
    ['a line break', (token) => `${token}\r\nX-Header: 1`],
    ['a NUL', (token) => `${token}\0`],
    ['a space', (token) => `${token} `],
    ['a semicolon', (token) => `${token};`],
  ]
  for (const [what, trick] of TRICKS) {
    it(`C6.2: a token with ${what} is 4002`, async () => {
      // Without the right websocketd: only a changed question could open the door.
      const { token } = await target().auth.mint({ acl: ['events.#'] })
      const good = await target().auth.mint()
      for (const id of [token, good.token]) {
        const session = await target().open({ query: `version=2&token=${encodeURIComponent(trick(id))}` })
        expect(await session.end()).to.include({ code: 4002, reason: 'authentication failed' })
      }
    })
  }

  const IMPOSSIBLE = [
    '.',
    '..',
    '../',
    'a b',
    'ä',
    'a/b',
    'a?b',
    'a%b',
    'x'.repeat(129),
    '"',
    "'",
    '<script>',
    '\n',
  ]
  for (const token of IMPOSSIBLE) {
    it(`C6.3: the token ${JSON.stringify(token.slice(0, 20))} is 4002, at connect and in an op, without a look-up`, async () => {
      const reader = await target().read([])
      await target().auth.reset()
      const session = await target().open({ query: `token=${encodeURIComponent(token)}` })
      expect(await session.end()).to.include({ code: 4002, reason: 'authentication failed' })
      reader.session.send({ op: 'token', data: { token } })
      expect(await reader.session.end()).to.include({ code: 4002, reason: 'authentication failed' })
      const { paths } = await target().auth.requests()
      expect(paths).to.deep.equal([])
    })
  }

  it('C6.3: an impossible token is 4002 even while wazo-auth is down', async () => {
    await target().auth.set('down')
    const session = await target().open({ query: 'token=..' })
    expect(await session.end()).to.include({ code: 4002 })
  })

  for (const token of ['x', 'A-Z_a.z-09', 'x'.repeat(128), '...', '-']) {
    it(`C6.3: the token ${JSON.stringify(token.slice(0, 20))} is asked about`, async () => {
      await target().auth.mint({ token })
      const session = await target().open({ query: `token=${token}` })
      expect(await session.json()).to.have.property('op', 'init')
    })
  }

  it('C6.5: only sessions of the deleted session_uuid end, with all their connections', async () => {
    const tenant = randomUUID()
    const [token, other] = [await target().auth.mint({ tenant }), await target().auth.mint({ tenant })]
    const twice = [
      await target().read([], { details: token }),
      await target().read([], { details: token, version: 1 }),
    ]
    const untouched = await target().read([], { details: other })
    await target().bus.publish(sessionDeleted(token))
    for (const { session } of twice) expect(await session.end()).to.include({ code: 4003 })
    expect(await untouched.received()).to.deep.equal([])
  })

  it('C6.5: data.uuid alone names the session', async () => {
    const reader = await target().read([])
    await target().bus.publish(withHeaders(sessionDeleted(reader.token), { session_uuid: undefined }))
    expect(await reader.session.end()).to.include({ code: 4003 })
  })

  it('C6.5: an event of another name does not end a session', async () => {
    const reader = await target().read(['auth_session_expire_soon'])
    const tenant = reader.token.metadata.tenant_uuid
    const event = wazoEvent({
      name: 'auth_session_expire_soon',
      tenant,
      everyone: true,
      data: { uuid: reader.token.session_uuid },
    })
    await target().bus.publish(event)
    expect(await reader.received()).to.deep.equal([event.body])
  })

  it('C6.6: an answer without metadata accepts nobody, and is no verdict on the token', async function () {
    this.timeout(AUTH_DEADLINE_MS + 5000)
    const token = await target().auth.mint()
    await target().auth.set('no-metadata')
    const session = await target().connect(token)
    const { code, reason, unread } = await session.end(AUTH_DEADLINE_MS)
    expect({ code, reason, unread }).to.deep.equal({ code: 1013, reason: 'try again later', unread: [] })
  })
})
