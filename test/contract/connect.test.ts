import { expect } from 'chai'
import { clientFrame } from '../support/frames.js'
import { useTarget } from './support/target.js'

const SLOW_AUTH_MS = 400

describe('contract 1: connecting', () => {
  const target = useTarget()

  for (const path of ['/', '/api/websocketd', '/api/websocketd/', '/anything/at/all']) {
    it(`C1.1: an upgrade on ${path} is accepted`, async () => {
      const token = await target().auth.mint()
      const session = await target().connect(token, { path })
      expect(await session.json()).to.deep.equal({ op: 'init', code: 0, data: { version: 2 } })
    })
  }

  it('C1.2: the token of the query opens a session of its user', async () => {
    const reader = await target().read(['*'])
    expect(await reader.received()).to.deep.equal([])
  })

  const VERSIONS: readonly [query: string, version: 1 | 2][] = [
    ['', 1],
    ['&version', 1],
    ['&version=', 1],
    ['&version=1', 1],
    ['&version=2', 2],
  ]
  for (const [query, version] of VERSIONS) {
    it(`C1.3: "?token=...${query}" is version ${version}`, async () => {
      const { token } = await target().auth.mint()
      const session = await target().open({ query: `token=${token}${query}` })
      expect(await session.json()).to.deep.equal({ op: 'init', code: 0, data: { version } })
    })
  }

  const FIRST: readonly [what: string, query: (token: string) => string, version: 1 | 2][] = [
    ['version', (token) => `token=${token}&version=2&version=1`, 2],
    ['version that is not empty', (token) => `version=&token=${token}&version=2&version=7`, 2],
    ['token', (token) => `token=${token}&token=nonsense`, 1],
    ['token that is not empty', (token) => `token=&token=${token}&token=nonsense`, 1],
  ]
  for (const [what, query, version] of FIRST) {
    it(`C1.4: the first ${what} counts`, async () => {
      const { token } = await target().auth.mint()
      const session = await target().open({ query: query(token) })
      expect(await session.json()).to.deep.equal({ op: 'init', code: 0, data: { version } })
    })
  }

  it('C1.5: parameters such as the userUuid of the SDK are ignored', async () => {
    const { token } = await target().auth.mint()
    const session = await target().open({ query: `userUuid=x&token=${token}&version=2&%zz=%&Version=9` })
    expect(await session.json()).to.deep.equal({ op: 'init', code: 0, data: { version: 2 } })
  })

  for (const header of ['X-Auth-Token', 'x-auth-token', 'X-AUTH-TOKEN']) {
    for (const query of ['version=2', 'version=2&token=']) {
      it(`C1.6: the header ${header} counts with "?${query}"`, async () => {
        const { token } = await target().auth.mint()
        const session = await target().open({ query, headers: { [header]: token } })
        expect(await session.json()).to.deep.equal({ op: 'init', code: 0, data: { version: 2 } })
      })
    }
  }

  it('C1.7: a good token of the query wins over a bad one in the header', async () => {
    const { token } = await target().auth.mint()
    const session = await target().open({ query: `token=${token}`, headers: { 'X-Auth-Token': 'nonsense' } })
    expect(await session.json()).to.have.property('op', 'init')
  })

  it('C1.7: a bad token of the query wins over a good one in the header', async () => {
    const { token } = await target().auth.mint()
    const session = await target().open({ query: 'token=nonsense', headers: { 'X-Auth-Token': token } })
    expect(await session.end()).to.include({ code: 4002 })
  })

  for (const query of ['', 'token=nonsense', 'version=3']) {
    it(`C1.8: "?${query}" is upgraded, then closed without any message`, async () => {
      const session = await target().open({ query })
      const { code, unread } = await session.end()
      expect(code).to.be.within(4001, 4004)
      expect(unread).to.deep.equal([])
    })
  }

  it('C1.9: the upgrade does not wait for wazo-auth', async () => {
    const token = await target().auth.mint()
    await target().auth.set('slow', SLOW_AUTH_MS)
    const session = await target().connect(token)
    const upgraded = performance.now()
    expect(await session.json()).to.have.property('op', 'init')
    expect(performance.now() - upgraded).to.be.at.least(SLOW_AUTH_MS / 2)
  })

  it('C1.10: ops sent before init are handled after it, in order', async () => {
    const token = await target().auth.mint()
    await target().auth.set('slow', SLOW_AUTH_MS)
    const session = await target().connect(token)
    const ops = [
      { op: 'subscribe', data: { event_name: 'early' } },
      { op: 'ping', data: { payload: 'early' } },
      { op: 'start' },
    ]
    session.write(Buffer.concat(ops.map((op) => clientFrame(JSON.stringify(op)))))
    expect([
      await session.json(),
      await session.json(),
      await session.json(),
      await session.json(),
    ]).to.deep.equal([
      { op: 'init', code: 0, data: { version: 2 } },
      { op: 'subscribe', code: 0, data: null },
      { op: 'pong', code: 0, data: { payload: 'early' } },
      { op: 'start', code: 0, data: null },
    ])
  })

  for (const origin of [undefined, 'https://elsewhere.example.org', 'null']) {
    it(`C1.12: ${origin === undefined ? 'no Origin' : `the Origin ${origin}`} is accepted`, async () => {
      const token = await target().auth.mint()
      const session = await target().connect(token, { headers: origin === undefined ? {} : { origin } })
      expect(await session.json()).to.have.property('op', 'init')
    })
  }

  it('C1.13: a bad version without a token is 4004, not 4001', async () => {
    const session = await target().open({ query: 'version=3' })
    expect(await session.end()).to.include({ code: 4004 })
  })
})
