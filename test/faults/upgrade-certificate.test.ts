import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { once } from 'node:events'
import { expect } from 'chai'
import { makeCertificates, type Certificates } from '../support/certificates.js'
import { connect } from '../support/client.js'
import { Cluster, type EdgeHost } from '../support/cluster.js'
import { temporaryDirectory } from '../support/guard.mjs'
import { waitFor } from '../support/wait.mjs'

const RENEWED_MS_MAX = 30_000
const WORKERS = 2

describe('a renewed certificate and SIGHUP', function () {
  this.timeout(120_000)
  let cluster: Cluster
  let edge: EdgeHost
  let files: { certificate: string; key: string }

  before(async () => {
    cluster = await Cluster.start({ name: 'upgrade-certificate', edges: 0 })
    const dir = await temporaryDirectory('certificate-in-use')
    files = { certificate: join(dir, 'server.pem'), key: join(dir, 'server.key') }
    await use(await makeCertificates())
    const websocket = { certificate: files.certificate, private_key: files.key }
    edge = await cluster.startEdge({ process_workers: WORKERS, websocket })
  })
  after(() => cluster.stop())

  const use = async ({ certificate, key }: Certificates): Promise<void> => {
    await copyFile(certificate, files.certificate)
    await copyFile(key, files.key)
  }

  const shown = async (versions: ConnectionOptions = {}): Promise<string> => {
    const socket: TLSSocket = connectTls({
      port: edge.port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ...versions,
    })
    try {
      await once(socket, 'secureConnect')
      return socket.getPeerCertificate().fingerprint256
    } finally {
      socket.destroy()
    }
  }

  const session = async () => {
    const { token } = cluster.auth.mint()
    const client = connect(edge.url.replace('ws:', 'wss:'), {
      token,
      version: 2,
      socket: { rejectUnauthorized: false },
    })
    await client.start('numbered')
    return client
  }

  it('reach every worker: new connections see it, sessions stay, no worker is replaced', async () => {
    const clients = await Promise.all(Array.from({ length: 10 }, session))
    const [before, workers] = [await shown(), edge.workerPids()]
    await use(await makeCertificates())
    edge.program.kill('SIGHUP')
    await waitFor(() => edge.program.logs().split('have the renewed certificate').length > WORKERS, {
      timeoutMs: RENEWED_MS_MAX,
      what: 'every worker to have it',
    })
    const after = new Set(await Promise.all(Array.from({ length: 10 }, () => shown())))
    expect(after.size).to.equal(1)
    expect([...after]).to.not.include(before)
    for (const client of clients)
      expect(await client.ask('ping', { payload: 1 }), 'open still').to.deep.include({ op: 'pong' })
    expect(edge.workerPids()).to.deep.equal(workers)
  })

  it('leave everything as it is when key and certificate are no pair', async () => {
    const before = await shown()
    await copyFile((await makeCertificates()).certificate, files.certificate)
    edge.program.kill('SIGHUP')
    await waitFor(() => edge.program.logs().includes('the upgrade has failed'), {
      timeoutMs: RENEWED_MS_MAX,
      what: 'a line in the log',
    })
    expect(await shown()).to.equal(before)
  })

  it('TLS below 1.2 is refused', async () => {
    const refused = await shown({
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    }).catch(String)
    expect(refused).to.match(/version|protocol/i)
  })
})
