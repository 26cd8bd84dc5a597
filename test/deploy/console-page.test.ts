import { keys } from '@wazo-websocketd/shared/redis/layout'
import { expect } from 'chai'
import { chromium, type Browser, type Page } from 'playwright-core'
import { Cluster } from '../support/cluster.js'
import { customEvent } from '../support/publish.js'
import { waitFor } from '../support/wait.mjs'
import { startNginx, type Nginx } from '../support/nginx.js'

const CHROMIUM = '/usr/bin/chromium'
const TENANT = '7d2d9a4e-51a6-4f0c-9a5d-0c3a3f6ab004'
const PHONE = { width: 360, height: 740 }

/** The page waits longer after each attempt, up to 30 s and a half: a slow start of the edge takes several. */
const RETRY_MS_MAX = 45_000

describe('The console page in Chromium', function () {
  this.timeout(120_000)
  let cluster: Cluster
  let nginx: Nginx
  let browser: Browser
  let page: Page
  const complaints: string[] = []

  const publish = (name: string, data: object) =>
    cluster.publisher.publish(customEvent({ name, tenant: TENANT, everyone: true, requiredAcl: null, data }))
  const state = () => page.locator('#state-text').innerText()
  const rows = () => page.locator('.event:visible').count()
  const until = (what: string, ask: () => Promise<boolean>, timeoutMs = 10_000) =>
    waitFor(ask, { timeoutMs, what })

  async function open(hash: string, base = `http://127.0.0.1:${cluster.edges[0]!.port}/`): Promise<void> {
    await page.goto('about:blank')
    await page.goto(`${base}console${hash}`)
  }

  before(async () => {
    cluster = await Cluster.start({
      name: 'console',
      edges: 1,
      workers: 1,
      config: { console: { enabled: true } },
    })
    nginx = await startNginx('single', [cluster.edges[0]!.port])
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
    page = await browser.newPage({ viewport: PHONE, ignoreHTTPSErrors: true })
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text())
    })
  })

  after(async () => {
    await browser.close()
    await nginx.stop()
    await cluster.stop()
  })

  it('connects with the token after the #, and takes it out of the address', async () => {
    await open(`#token=${cluster.auth.mint({ tenant: TENANT }).token}`)
    await until('Live', async () => (await state()) === 'Live')
    expect(page.url()).not.to.contain('token')
  })

  it('shows an event with its exact text', async () => {
    await publish('console_first', { number: 1 })
    await until('one row', async () => (await rows()) === 1)
    await page.locator('.event summary').click()
    expect(await page.locator('.event pre').innerText()).to.contain('\n  "data": {\n    "number": 1\n  }')
    expect(await page.locator('#count-events').innerText()).to.match(/^[01]$/)
  })

  it('does not run what an event contains', async () => {
    await publish('<img src=x onerror=alert(1)>', { html: '<script>alert(1)</script>' })
    await until('two rows', async () => (await rows()) === 2)
    expect(await page.locator('.event .name').first().innerText()).to.contain('<img')
    expect(await page.locator('.event img').count()).to.equal(0)
  })

  it('filters, pauses and clears', async () => {
    await page.locator('#filter').fill('console_first')
    expect(await rows()).to.equal(1)
    await page.locator('#filter').fill('')
    await page.getByRole('button', { name: 'Pause' }).click()
    await publish('console_paused', {})
    await until(
      'the note',
      async () => (await page.locator('#list-note').innerText()) === 'Paused: 1 waiting.',
    )
    expect(await rows()).to.equal(2)
    await page.getByRole('button', { name: 'Resume' }).click()
    await until('three rows', async () => (await rows()) === 3)
    await page.getByRole('button', { name: 'Clear' }).click()
    expect(await rows()).to.equal(0)
  })

  it('fits into the width of a phone', async () => {
    expect(await page.evaluate('document.documentElement.scrollWidth')).to.be.at.most(PHONE.width)
  })

  it('works behind nginx, where a prefix stands before its path', async () => {
    await open(
      `#token=${cluster.auth.mint({ tenant: TENANT }).token}`,
      `https://127.0.0.1:${nginx.port}/api/websocketd/`,
    )
    await until('Live', async () => (await state()) === 'Live')
    expect(await page.locator('#host').inputValue()).to.equal(`127.0.0.1:${nginx.port}/api/websocketd/`)
    expect(await nginx.logs()).not.to.match(/token=/)
  })

  describe('given another host than its own', () => {
    const foreign = () => `127.0.0.1:${nginx.port}/api/websocketd/`
    const asked = () => page.locator('#foreign').isVisible()
    /** WebSockets that were opened, by their addresses. */
    const opened: string[] = []

    before(() => page.on('websocket', (socket) => opened.push(new URL(socket.url()).host)))
    beforeEach(() => opened.splice(0))

    it('by a link, shows the host and asks before anything connects', async () => {
      await open(`#token=${cluster.auth.mint({ tenant: TENANT }).token}&host=${foreign()}`)
      await until('the question', asked)
      expect(await page.locator('#foreign').innerText()).to.contain(`127.0.0.1:${nginx.port}`)
      expect(await page.locator('#host').inputValue()).to.equal(foreign())
      expect([opened, await state()]).to.deep.equal([[], 'Not connected'])
    })

    it('and forgets it when it is refused, by the button or by Escape', async () => {
      await page.getByRole('button', { name: 'Do not connect' }).click()
      const own = `127.0.0.1:${cluster.edges[0]!.port}/`
      expect([await asked(), await page.locator('#host').inputValue()]).to.deep.equal([false, own])
      await open(`#token=x&host=wss://evil.example`)
      await until('the question', asked)
      expect(await page.locator('#foreign').innerText()).to.contain('evil.example')
      await page.keyboard.press('Escape')
      expect([await asked(), await page.locator('#host').inputValue()]).to.deep.equal([false, own])
      expect(opened).to.deep.equal([])
      expect(String(await page.evaluate('JSON.stringify(sessionStorage)'))).to.not.contain('evil')
    })

    it('also where the address only looks like its own', async () => {
      const own = `127.0.0.1:${cluster.edges[0]!.port}`
      for (const host of [`${own}@evil.example`, 'ws://127.0.0.1.evil.example', `evil.example/${own}`]) {
        await open(`#token=x&host=${encodeURIComponent(host)}`)
        await until('the question', asked)
        expect(await page.locator('#foreign-host').innerText()).to.contain('evil.example')
      }
      expect(opened).to.deep.equal([])
    })

    it('typed by hand, too; connects there once it is agreed to, and asks no second time', async () => {
      // Else the page connects with the token of an earlier test.
      await page.evaluate('sessionStorage.clear()')
      await open('')
      if (!(await page.locator('#host').isVisible())) await page.locator('#settings > summary').click()
      await page.locator('#host').fill(`wss://${foreign()}`)
      await page.locator('#token').fill(cluster.auth.mint({ tenant: TENANT }).token)
      await page.getByRole('button', { name: /^Connect/ }).click()
      await until('the question', asked)
      await page.getByRole('button', { name: 'Send the token there' }).click()
      await until('Live', async () => (await state()) === 'Live')
      await page.locator('#settings > summary').click()
      await page.getByRole('button', { name: 'Connect again' }).click()
      await until('Live', async () => (await state()) === 'Live')
      expect(await asked()).to.equal(false)
      expect(opened).to.deep.equal([`127.0.0.1:${nginx.port}`, `127.0.0.1:${nginx.port}`])
    })
  })

  it('has thrown no error and met no refusal of its security policy', () => {
    expect(complaints).to.deep.equal([])
  })

  it('says what a close code means, and does not try again when that is of no use', async () => {
    await open('#token=unknown')
    await until('4002', async () => (await state()) === 'Closed (4002)')
    expect(await page.locator('#notice').innerText()).to.contain('The token is unknown, expired, or lacks')
  })

  it('shows what was published while its connection was broken, once', async () => {
    await open(`#token=${cluster.auth.mint({ tenant: TENANT }).token}`)
    await until('Live', async () => (await state()) === 'Live')
    await publish('console_before', {})
    await until('one row', async () => (await rows()) === 1)
    process.kill(cluster.edges[0]!.workerPids()[0]!, 'SIGKILL')
    await until('a retry', async () => (await state()).includes('trying again'))
    await publish('console_meanwhile', {})
    await until('Live', async () => (await state()) === 'Live', RETRY_MS_MAX)
    await publish('console_after', {})
    await until('the last one', async () => (await rows()) === 3)
    const names = await page.locator('.event .name').allInnerTexts()
    expect(names).to.deep.equal(['console_after', 'console_meanwhile', 'console_before'])
    expect(await page.locator('#notice').isVisible()).to.equal(false)
  })

  it('tells that something may be missing when the server could not go on', async () => {
    process.kill(cluster.edges[0]!.workerPids()[0]!, 'SIGKILL')
    await until('a retry', async () => (await state()).includes('trying again'))
    await publish('console_unseen', {})
    const redis = cluster.openRedis()
    await redis.xtrim(keys('wazo-ws', 0).log, 'MAXLEN', '=', 0)
    redis.disconnect()
    await until('Live', async () => (await state()) === 'Live', RETRY_MS_MAX)
    expect(await page.locator('#notice').innerText()).to.contain('too old')
  })

  it('comes back by itself after a restart of the server', async () => {
    await open(`#token=${cluster.auth.mint({ tenant: TENANT }).token}`)
    await until('Live', async () => (await state()) === 'Live')
    const edge = cluster.edges[0]!
    await edge.program.stop()
    await until('a retry', async () => (await state()).includes('trying again'))
    await cluster.restartEdge(edge)
    await until('Live', async () => (await state()) === 'Live', RETRY_MS_MAX)
    expect(Number(await page.locator('#count-reconnects').innerText())).to.be.at.least(1)
  })
})
