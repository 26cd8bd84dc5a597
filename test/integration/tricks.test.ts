import { expect } from 'chai'
import { connect } from '../support/client.js'
import { event } from '../support/fakes/session.js'
import { clientFrame, textsOf } from '../support/frames.js'
import { Edge, type RawClient } from '../support/edge-socket.js'

/** Names that are members of every object, or nearly. */
const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__']

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='

describe('a request that tries a trick', () => {
  let edge: Edge

  beforeEach(async () => {
    edge = await new Edge({ sessionLimits: { connectionsPerUser: 1 } }).listen()
    edge.auth.mint('other', { userUuid: 'user-2' })
  })

  afterEach(() => edge.stop())

  /** The code of the close frame, or the status of a request that was not upgraded, or `init`. */
  async function outcome(client: RawClient): Promise<number | 'init'> {
    const refused = () => client.text !== '' && !client.text.startsWith('HTTP/1.1 101')
    await client.until(() => refused() || client.closeCode !== undefined || client.frames.includes('"init"'))
    if (refused()) return Number(client.text.slice(9, 12))
    return client.closeCode ?? 'init'
  }

  describe('in the path', () => {
    for (const path of [
      '/?token=good%2f..%2fother',
      '/?token=../token/good',
      '/?token=good%3fscope=x',
      '/?token=good%00',
      '/?token=good%0d%0aX-Auth-Token:%20other',
      '/?token=good;version=2',
      '/?token=%67ood%20',
      '/?token=%c0%afgood',
      '/?token=%ff',
      '/?token=%',
      '/?token=g%u006fod',
    ])
      it(`asks wazo-auth nothing for ${path}, and is refused`, async () => {
        expect(await outcome(edge.raw().upgrade(path))).to.equal(4002)
        expect(edge.auth.asked).to.deep.equal([])
      })

    it('asks about what a token may be called, as the text that it is', async () => {
      for (const name of NAMES) expect(await outcome(edge.raw().upgrade(`/?token=${name}`))).to.equal(4002)
      expect(edge.auth.asked).to.deep.equal(NAMES)
    })

    for (const [path, expected] of [
      ['/?__proto__=good', 4001],
      ['/?__proto__[token]=good', 4001],
      ['/?token[]=good', 4001],
      ['/?Token=good', 4001],
      ['/?constructor.prototype.token=good', 4001],
      ['/?token=good&version=__proto__', 4004],
      ['/?token=good&version=2.0', 4004],
      ['/?token=good&version=%32', 'init'],
      ['/?token=good&version[]=1&version=2', 'init'],
      ['//evil.example/?token=good', 'init'],
      ['/../../etc/passwd?token=good', 'init'],
      ['http://evil.example/?token=good', 'init'],
      ['/?token=&token=good&token=other', 'init'],
      ['/?version=&version=2&version=9&token=good', 'init'],
    ] as const)
      it(`ends with ${expected} for ${path}`, async () => {
        expect(await outcome(edge.raw().upgrade(path))).to.equal(expected)
        if (expected === 'init') expect(edge.auth.asked).to.deep.equal(['good'])
      })

    for (const path of ['/ x?token=good', '/\0?token=good', '/\n?token=good'])
      it(`is no HTTP with ${JSON.stringify(path)}`, async () => {
        expect(await outcome(edge.raw().upgrade(path))).to.equal(400)
      })
  })

  describe('in the headers', () => {
    for (const [what, headers, expected] of [
      ['two tokens', 'X-Auth-Token: good\r\nX-Auth-Token: other\r\n', 4002],
      ['the same token twice', 'X-Auth-Token: good\r\nx-auth-token: good\r\n', 4002],
      ['a list of tokens', 'X-Auth-Token: good, other\r\n', 4002],
      ['a token folded over two lines', 'X-Auth-Token: go\r\n od\r\n', 400],
      ['a name before a blank', 'X-Auth-Token : good\r\n', 400],
      ['a name with an underscore', 'X_Auth_Token: good\r\n', 4001],
      ['a token behind a NUL', 'X-Auth-Token: good\0\r\n', 400],
      ['a line feed alone', 'X-A: b\nX-Auth-Token: good\r\n', 400],
      ['a carriage return alone', 'X-A: b\rX-Auth-Token: good\r\n', 400],
      [
        'names of JavaScript',
        `${NAMES.map((name) => `${name}: x-auth-token\r\n`).join('')}X-Auth-Token: good\r\n`,
        'init',
      ],
      ['only names of JavaScript', NAMES.map((name) => `${name}: good\r\n`).join(''), 4001],
      ['no name', ': x\r\nX-Auth-Token: good\r\n', 400],
      ['two lengths', 'X-Auth-Token: good\r\nContent-Length: 0\r\nContent-Length: 5\r\n', 400],
      [
        'length and encoding',
        'X-Auth-Token: good\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n',
        400,
      ],
      [
        'encoding and length',
        'X-Auth-Token: good\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n',
        400,
      ],
      ['a length below zero', 'X-Auth-Token: good\r\nContent-Length: -1\r\n', 400],
      ['a second key', `X-Auth-Token: good\r\n${KEY}\r\n`, 400],
      ['a second WebSocket version', 'X-Auth-Token: good\r\nSec-WebSocket-Version: 13\r\n', 400],
    ] as const)
      it(`ends with ${expected} for ${what}`, async () => {
        expect(await outcome(edge.raw().upgrade('/?version=2', headers))).to.equal(expected)
        expect(edge.auth.asked).to.deep.equal(expected === 'init' ? ['good'] : [])
      })

    it('leads to nothing where a second request hides in the body of the first', async () => {
      const hidden = 'GET /?token=other HTTP/1.1\r\nHost: x\r\n\r\n'
      const client = edge.raw().upgrade('/?token=good&version=2', `Content-Length: ${hidden.length}\r\n`)
      client.write(hidden)
      expect([1002, 400, 'init']).to.include(await outcome(client))
      expect(edge.auth.asked).to.not.include('other')
    })
  })

  it('takes names of JavaScript for plain text as event name, token, user and tenant', async () => {
    for (const name of NAMES) {
      edge.auth.mint(name, { userUuid: name, tenantUuid: name })
      const client = connect(edge.url, { token: name, version: 1 })
      await client.start(name)
      edge.registry.route(event(11, { name: 'x', tenant: name }))
      edge.registry.route(event(12, { name, tenant: 'tenant-1' }))
      edge.registry.route(event(13, { name, tenant: name, text: `{"${name}":1}` }))
      expect(await client.nextText()).to.equal(`{"${name}":1}`)
      const second = connect(edge.url, { token: name })
      expect((await second.closed).code, 'the limit of a user counts for each name alone').to.equal(1008)
    }
  })

  it('closes with 4004 for an op of such a name, and says which', async () => {
    for (const op of NAMES) {
      const client = edge
        .raw()
        .upgrade('/?token=good')
        .write(clientFrame(JSON.stringify({ op })))
      await client.until(() => client.closeCode !== undefined)
      expect([client.closeCode, client.text.includes(`unknown op: ${op}`)]).to.deep.equal([4004, true])
      client.socket.destroy()
    }
  })

  it('leaves the replies of others as they are', async () => {
    const payload = '{"__proto__":{"op":"start"},"constructor":{"prototype":{"code":1}}}'
    const client = edge.raw().upgrade('/?token=good&version=2')
    client.write(clientFrame(`{"op":"ping","data":{"payload":${payload}},"__proto__":{"op":"start"}}`))
    await client.until(() => client.text.includes('pong'))
    expect(textsOf(client.frames).at(-1)).to.equal(`{"op":"pong","code":0,"data":{"payload":${payload}}}`)
    expect(({} as { op?: string; code?: number }).op ?? ({} as { code?: number }).code).to.equal(undefined)
  })
})
