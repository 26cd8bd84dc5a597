import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  adminAnswer,
  handleAdmin,
  type AdminRoute,
  type AdminRoutes,
} from '@wazo-websocketd/shared/runtime/admin-routes'
import { expect } from 'chai'

describe('the routes of the admin endpoint', () => {
  const servers: Server[] = []
  const routes: AdminRoutes = new Map<string, AdminRoute>([
    ['/admin/echo', { changes: false, answer: ({ query }) => Promise.resolve(adminAnswer(query.get('a'))) }],
    ['/admin/fail', { changes: false, answer: () => Promise.reject(new Error('broken\nhere')) }],
    ['/admin/stream', { changes: false, answer: () => Promise.resolve({ status: 200, json: pieces() }) }],
    ['/admin/order', { changes: true, answer: ({ body }) => Promise.resolve(adminAnswer(body)) }],
  ])

  async function* pieces() {
    for (const piece of ['[1', ',2', ']']) yield await Promise.resolve(piece)
  }

  async function listen(mayChange: boolean): Promise<number> {
    const server = createServer((req, res) => void handleAdmin(routes, req, res, mayChange))
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  afterEach(() => {
    for (const server of servers.splice(0)) server.close().closeAllConnections()
  })

  interface Sent {
    readonly method?: string
    readonly headers?: Record<string, string>
    readonly body?: string
  }

  async function send(port: number, path: string, { method = 'GET', headers = {}, body }: Sent = {}) {
    const sent = request({ host: '127.0.0.1', port, path, method, headers })
    sent.end(body)
    const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage]
    const text = await response.setEncoding('utf8').toArray()
    return { status: response.statusCode, value: JSON.parse(text.join('')) as unknown }
  }

  it('answer with JSON, whole or in pieces', async () => {
    const port = await listen(false)
    expect(await send(port, '/admin/echo?a=x%20y')).to.deep.equal({ status: 200, value: 'x y' })
    expect(await send(port, '/admin/stream')).to.deep.equal({ status: 200, value: [1, 2] })
  })

  it('answer errors in one line', async () => {
    const port = await listen(false)
    expect(await send(port, '/admin/fail')).to.deep.equal({ status: 500, value: { error: 'broken here' } })
    expect((await send(port, '/admin/none')).value)
      .to.have.property('error')
      .that.includes('/admin/echo')
    expect((await send(port, '/admin/echo', { method: 'DELETE' })).status).to.equal(405)
  })

  it('are not found under what is no path, which ends no program', async () => {
    const port = await listen(true)
    for (const path of ['//', '//[', '/admin/echo#?a=x', '/?'])
      expect((await send(port, path)).status, path).to.equal(404)
    expect(await send(port, '/admin/echo?a=?x&b')).to.deep.equal({ status: 200, value: '?x' })
  })

  it('take orders over the unix socket only, by POST only', async () => {
    const post = { method: 'POST', body: '{"a":1}' }
    expect((await send(await listen(false), '/admin/order', post)).status).to.equal(403)
    const port = await listen(true)
    expect(await send(port, '/admin/order', post)).to.deep.equal({ status: 200, value: { a: 1 } })
    expect(await send(port, '/admin/order', { method: 'POST' })).to.deep.equal({ status: 200, value: {} })
    expect((await send(port, '/admin/order')).status).to.equal(405)
  })

  it('refuse a body that is too large or no JSON', async () => {
    const port = await listen(true)
    for (const body of ['{', `"${'x'.repeat(70_000)}"`])
      expect((await send(port, '/admin/order', { method: 'POST', body })).status).to.equal(400)
  })

  it('are closed to web pages, whatever name leads them here', async () => {
    const port = await listen(false)
    for (const headers of [{ host: 'evil.example' }, { origin: 'https://evil.example' }])
      expect((await send(port, '/admin/echo', { headers })).status, JSON.stringify(headers)).to.equal(403)
    for (const host of ['localhost:9504', '127.0.0.1', '[::1]:9504'])
      expect((await send(port, '/admin/echo', { headers: { host } })).status, host).to.equal(200)
  })
})
