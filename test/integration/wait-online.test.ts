import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer as createPlain, type Server } from 'node:http'
import { createServer as createTls } from 'node:https'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { WebSocketServer } from 'ws'
import { selfSigned } from '../support/proxy.js'
import { temporaryDirectory } from '../support/guard.mjs'
import { freePort } from '../support/port.mjs'
import { fromSource } from '../support/program.mjs'

const PROGRAM = fileURLToPath(import.meta.resolve('@wazo-websocketd/edge/wait-online'))

describe('wazo-websocketd-wait-online', function () {
  this.timeout(30_000)
  let directory: string

  beforeEach(async () => {
    directory = await temporaryDirectory('wait-online')
  })

  function configFile(websocket: object): string {
    const file = join(directory, 'config.yml')
    const auth = { username: 'u', password: 'p', key_file: null }
    writeFileSync(file, JSON.stringify({ extra_config_files: directory, auth, websocket }))
    return file
  }

  /** The status, and what was said on standard error. */
  function run(...args: string[]): Promise<{ status: number; said: string; ms: number }> {
    const loader = fromSource ? ['--import', 'tsx', '--conditions=source'] : []
    const began = performance.now()
    return new Promise((resolve) => {
      execFile(process.execPath, [...loader, PROGRAM, ...args], (error, _out, said) => {
        resolve({ status: Number(error?.code ?? 0), said, ms: performance.now() - began })
      })
    })
  }

  async function stop(server: Server): Promise<void> {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }

  it('ends with status 0 as soon as the port answers, whatever it answers', async () => {
    const port = await freePort()
    const waiting = run('-c', configFile({ port }))
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const server = createPlain()
    const sessions = new WebSocketServer({ server })
    let opened = 0
    sessions.on('connection', () => opened++)
    server.on('request', (_request, response) => response.writeHead(426).end())
    server.listen(port, '127.0.0.1')
    const { status, said, ms } = await waiting
    expect({ status, said }).to.deep.equal({ status: 0, said: '' })
    expect(ms).to.be.greaterThan(1_000)
    expect(opened).to.equal(0)
    await stop(server)
  })

  it('asks with TLS where there is a certificate, and at the loopback where the server listens everywhere', async () => {
    await selfSigned(directory)
    const [certificate, private_key] = [join(directory, 'certificate.pem'), join(directory, 'key.pem')]
    const options = { cert: readFileSync(certificate), key: readFileSync(private_key) }
    const port = await freePort()
    const server = createTls(options, (_request, response) => response.writeHead(426).end())
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    const { status, said } = await run(
      '-c',
      configFile({ port, certificate, private_key, listen: '0.0.0.0' }),
    )
    expect({ status, said }).to.deep.equal({ status: 0, said: '' })
    await stop(server)
  })

  it('ends with status 1 and the address when nothing answers in time', async () => {
    const port = await freePort()
    const { status, said } = await run('-c', configFile({ port }), '-t', '0.6')
    expect(status).to.equal(1)
    expect(said).to.equal(
      `wazo-websocketd-wait-online: ws://127.0.0.1:${port} has not answered within 0.6 s\n`,
    )
  })

  it('ends with status 78 for a configuration that cannot be used, and 2 for wrong arguments', async () => {
    const wrong = await run('-c', configFile({ port: 'any' }))
    expect(wrong.status).to.equal(78)
    expect(wrong.said).to.match(/^wazo-websocketd-wait-online: .*websocket\.port: must be .*\n$/)
    expect((await run('-t', 'soon')).status).to.equal(2)
    expect((await run('--soon')).said).to.match(/see wazo-websocketd-wait-online --help\)\n$/)
  })
})
