import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { consoleHandler } from '@wazo-websocketd/edge/console/console'

const PAGE_DIRECTORY = new URL('../../../../packages/edge/console/', import.meta.url)

describe('The console page', () => {
  let server: Server
  let base: string

  before(async () => {
    server = createServer((request, response) => {
      if (consoleHandler(request, response)) return
      response.writeHead(426).end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })

  after(() => {
    server.closeAllConnections()
    server.close()
  })

  it('is served at /console, whatever the query', async () => {
    const response = await fetch(`${base}/console?anything`)
    expect(response.status).to.equal(200)
    expect(response.headers.get('content-type')).to.equal('text/html; charset=utf-8')
    expect(await response.text()).to.contain('<title>Wazo events, live</title>')
  })

  it('may load and run nothing but its own files', async () => {
    const response = await fetch(`${base}/console`)
    const policy = response.headers.get('content-security-policy')
    expect(policy).to.contain("default-src 'none'").and.to.contain("script-src 'self'")
    expect(policy).not.to.match(/unsafe|https?:|\*/)
    expect(response.headers.get('x-content-type-options')).to.equal('nosniff')
    expect(response.headers.get('referrer-policy')).to.equal('no-referrer')
  })

  it('serves every file of its directory, and everything that the files refer to is there', async () => {
    const files = readdirSync(PAGE_DIRECTORY).filter((file) => file !== 'index.html')
    const referred = [...files, 'index.html'].flatMap((file) => {
      const text = readFileSync(new URL(file, PAGE_DIRECTORY), 'utf8')
      return [...text.matchAll(/(?:from '\.\/|(?:src|href)="console\/)([^'"]+)['"]/g)].map(([, name]) => name)
    })
    expect(new Set(referred)).to.deep.equal(new Set(files))
    for (const file of files) {
      const response = await fetch(`${base}/console/${file}`)
      expect(response.status, file).to.equal(200)
      expect(await response.text()).to.equal(readFileSync(new URL(file, PAGE_DIRECTORY), 'utf8'))
    }
  })

  it('has no inline script, style or event handler, which its policy would forbid', () => {
    const html = readFileSync(new URL('index.html', PAGE_DIRECTORY), 'utf8')
    expect(html).not.to.match(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/)
  })

  it('redirects /console/ relatively, so that a prefix stripped by a proxy stays', async () => {
    const response = await fetch(`${base}/console/`, { redirect: 'manual' })
    expect(response.status).to.equal(308)
    expect(response.headers.get('location')).to.equal('../console')
  })

  it('answers HEAD with the headers only', async () => {
    const response = await fetch(`${base}/console`, { method: 'HEAD' })
    expect(response.status).to.equal(200)
    expect(Number(response.headers.get('content-length'))).to.be.greaterThan(1000)
    expect(await response.text()).to.equal('')
  })

  it('leaves every other request alone', async () => {
    for (const path of [
      '/',
      '/consoles',
      '/console/../package.json',
      '/console/%2e%2e/package.json',
      '/console/index.html',
    ])
      expect((await fetch(base + path)).status, path).to.equal(426)
    expect((await fetch(`${base}/console`, { method: 'POST' })).status).to.equal(426)
  })
})
