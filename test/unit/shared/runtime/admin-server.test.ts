import { startAdminServer, type AdminServer } from '@wazo-websocketd/shared/runtime/admin-server'
import { StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import { expect } from 'chai'

describe('the admin server', () => {
  let server: AdminServer
  let missing: string[]
  let remarks: string[]
  let metrics: () => Promise<{ contentType: string; body: string }>

  beforeEach(async () => {
    missing = []
    remarks = []
    metrics = () =>
      Promise.resolve({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: 'x 1\n' })
    server = await startAdminServer({
      host: '127.0.0.1',
      port: 0,
      keys: 'metrics.edge_port',
      metrics: () => metrics(),
      notReadyReasons: () => missing,
      remarks: () => remarks,
    })
  })
  afterEach(() => server.close())

  const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init)

  it('answers /metrics with what was collected', async () => {
    const response = await get('/metrics')
    expect(response.status).to.equal(200)
    expect(response.headers.get('content-type')).to.equal('text/plain; version=0.0.4; charset=utf-8')
    expect(await response.text()).to.equal('x 1\n')
  })

  it('answers /metrics with 500 when they cannot be collected', async () => {
    metrics = () => Promise.reject(new Error('broken'))
    const response = await get('/metrics')
    expect(response.status).to.equal(500)
    expect(await response.text()).to.include('broken')
  })

  it('is healthy while it is not ready', async () => {
    missing = ['Redis']
    expect((await get('/healthz')).status).to.equal(200)
  })

  it('names what is missing, as text', async () => {
    missing = ['connection to Redis', 'master tenant']
    const response = await get('/readyz')
    expect(response.status).to.equal(503)
    expect(await response.text()).to.equal(
      'not ready\nmissing: connection to Redis\nmissing: master tenant\n',
    )
  })

  it('names what is missing, as JSON for whoever asks for it', async () => {
    missing = ['master tenant']
    const response = await get('/readyz', { headers: { accept: 'application/json' } })
    expect(response.status).to.equal(503)
    expect(await response.json()).to.deep.equal({
      ready: false,
      missing: ['master tenant'],
      remarks: [],
    })
  })

  it('is ready when nothing is missing', async () => {
    const response = await get('/readyz?verbose')
    expect(response.status).to.equal(200)
    expect(await response.text()).to.equal('ready\n')
  })

  it('says beside it what an operator has to know, ready or not', async () => {
    remarks = ['worker 1 does not answer']
    const ready = await get('/readyz')
    expect(ready.status).to.equal(200)
    expect(await ready.text()).to.equal('ready\nremark: worker 1 does not answer\n')
    missing = ['Redis']
    const not = await get('/readyz', { headers: { accept: 'application/json' } })
    expect(not.status).to.equal(503)
    expect(await not.json()).to.deep.equal({ ready: false, missing, remarks })
  })

  it('answers HEAD without a body, other methods with 405 and other paths with 404', async () => {
    expect(await (await get('/healthz', { method: 'HEAD' })).text()).to.equal('')
    const post = await get('/metrics', { method: 'POST', body: 'x' })
    expect(post.status).to.equal(405)
    expect(post.headers.get('allow')).to.equal('GET, HEAD')
    expect((await get('/')).status).to.equal(404)
  })

  it('names the key when its port is in use', async () => {
    const attempt = startAdminServer({
      host: '127.0.0.1',
      port: server.port,
      keys: 'metrics.listen or metrics.edge_port',
      metrics: () => metrics(),
      notReadyReasons: () => [],
    })
    const error: unknown = await attempt.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).to.be.instanceOf(StartupError)
    expect(String(error)).to.include(`127.0.0.1:${server.port}: in use`).and.include('metrics.edge_port')
  })
})
