import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { WebSocketServer } from 'ws'
import { connect } from '../support/client.js'
import { freePort } from '../support/port.mjs'
import { waitFor } from '../support/wait.mjs'
import { checkNginx, startNginx, writeNginx, type Nginx, type Variant } from '../support/nginx.js'

const SECRET = 'secret-canary-token'

/** An upstream that tells what reached it. */
async function startEcho(port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer((message, response) => {
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify({ url: message.url, headers: message.headers }))
  })
  new WebSocketServer({ server }).on('connection', (socket, message) => {
    socket.send(JSON.stringify({ url: message.url, headers: message.headers }))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

function stopEcho({ server }: { server: Server }): void {
  server.close()
  server.closeAllConnections()
}

/** GET over TLS without looking at the certificate. */
async function get(url: string): Promise<{ status: number; body: string }> {
  const [response] = (await once(request(url, { rejectUnauthorized: false }).end(), 'response')) as [
    import('node:http').IncomingMessage,
  ]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += chunk as string
  return { status: response.statusCode!, body }
}

for (const variant of ['single', 'upstream'] as Variant[])
  describe(`The nginx configuration (${variant})`, () => {
    let nginx: Nginx
    let echo: Awaited<ReturnType<typeof startEcho>>
    let base: string
    const socket = { rejectUnauthorized: false }

    before(async () => {
      echo = await startEcho()
      nginx = await startNginx(variant, [echo.port, await freePort()])
      base = `127.0.0.1:${nginx.port}/api/websocketd/`
    })

    after(async () => {
      await nginx.stop()
      stopEcho(echo)
    })

    it('passes nginx -t', async () => {
      const said = await checkNginx(await writeNginx(variant, await freePort(), [9502, 9512]))
      expect(said).to.contain('test is successful').and.not.to.contain('[warn]')
    })

    it('upgrades, strips the prefix and keeps the query', async () => {
      const client = connect(`wss://${base}`, { token: SECRET, version: 2, socket })
      const { url, headers } = (await client.next()) as { url: string; headers: Record<string, string> }
      expect(url).to.equal(`/?token=${SECRET}&version=2`)
      expect(headers['host']).to.equal(`127.0.0.1:${nginx.port}`)
      expect(headers['x-forwarded-for']).to.equal('127.0.0.1')
      expect(headers['x-forwarded-proto']).to.equal('https')
      await client.close()
    })

    it('upgrades without the slash at the end, too', async () => {
      const client = connect(`wss://${base.slice(0, -1)}`, { token: SECRET, version: 2, socket })
      expect(((await client.next()) as { url: string }).url).to.equal(`/?token=${SECRET}&version=2`)
      await client.close()
      await waitFor(async () => (await nginx.logs()).includes(' 101 '), { what: 'the log line' })
      expect(await nginx.logs()).not.to.contain(SECRET)
    })

    it('passes ordinary requests without an upgrade header, so that the console page works behind it', async () => {
      const { status, body } = await get(`https://${base}console`)
      expect(status).to.equal(200)
      const { url, headers } = JSON.parse(body) as { url: string; headers: Record<string, string> }
      expect(url).to.equal('/console')
      expect(headers).not.to.have.property('upgrade')
      expect(headers['connection']).not.to.equal('upgrade')
    })

    it('logs requests without their tokens', async () => {
      await get(`https://${base}logged?token=${SECRET}`)
      await waitFor(async () => (await nginx.logs()).includes('/api/websocketd/logged'), {
        what: 'the log line',
      })
      expect(await nginx.logs()).not.to.contain(SECRET)
    })
  })

describe('The nginx configuration', () => {
  it('does not log tokens when no server can be reached', async () => {
    const nginx = await startNginx('single', [await freePort()])
    try {
      const { status } = await get(`https://127.0.0.1:${nginx.port}/api/websocketd/down?token=${SECRET}`)
      expect(status).to.equal(502)
      await waitFor(async () => (await nginx.logs()).includes('/api/websocketd/down'), {
        what: 'the log line',
      })
      expect(await nginx.logs()).not.to.contain(SECRET)
    } finally {
      await nginx.stop()
    }
  })

  it('goes to the other edge host when one is down', async () => {
    const echo = await startEcho()
    const nginx = await startNginx('upstream', [await freePort(), echo.port])
    try {
      for (let tries = 0; tries < 4; tries++)
        expect((await get(`https://127.0.0.1:${nginx.port}/api/websocketd/`)).status).to.equal(200)
    } finally {
      await nginx.stop()
      stopEcho(echo)
    }
  })

  it('gives a host that has refused nothing for fail_timeout, which is why drain.delay has to be longer', async () => {
    const late = await freePort()
    const first = await startEcho()
    const nginx = await startNginx('upstream', [late, first.port])
    const status = async () => (await get(`https://127.0.0.1:${nginx.port}/api/websocketd/`)).status
    let second: Awaited<ReturnType<typeof startEcho>> | undefined
    try {
      for (let tries = 0; tries < 3; tries++) expect(await status()).to.equal(200)
      second = await startEcho(late)
      stopEcho(first)
      await status() // the one that finds out, which may be early enough to try the other host in the same breath
      expect(await status()).to.equal(502)
      await waitFor(async () => (await status()) === 200, { timeoutMs: 3_000, what: 'the host that is back' })
    } finally {
      await nginx.stop()
      if (second !== undefined) stopEcho(second)
    }
  })
})
