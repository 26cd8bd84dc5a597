import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { keys } from '@wazo-websocketd/shared/redis/layout'
import { expect } from 'chai'
import { chromium, type Browser, type Page } from 'playwright-core'
import { Cluster } from '../support/cluster.js'
import { startNginx, type Nginx } from '../support/nginx.js'
import { programCommand } from '../support/program.mjs'
import { customEvent } from '../support/publish.js'
import { waitFor } from '../support/wait.mjs'

const CHROMIUM = '/usr/bin/chromium'
const TENANT = '7d2d9a4e-51a6-4f0c-9a5d-0c3a3f6ab004'
const USER = '7d2d9a4e-51a6-4f0c-9a5d-0c3a3f6ab001'
const PHONE = { width: 360, height: 740 }
const DESK = { width: 1280, height: 900 }
const AXE = createRequire(import.meta.url).resolve('axe-core')

/** A load under which the page has to keep up. The bound of a task is generous: other tests may use the machine. */
const RATE = 2000
const RATE_S = 6
const TASK_MS_MAX = 250

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
  /** The log of the connection, the newest first. */
  const entries = () => page.locator('#log-entries .entry span').allTextContents()
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
    page = await browser.newPage({
      viewport: PHONE,
      ignoreHTTPSErrors: true,
      permissions: ['clipboard-read', 'clipboard-write'],
    })
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
    await page.locator('.line').click()
    expect(await page.locator('.event pre').innerText()).to.contain('\n  "data": {\n    "number": 1\n  }')
    expect(await page.locator('#count-events').innerText()).to.match(/^[01]$/)
    await page.getByRole('button', { name: 'Raw' }).click()
    expect(await page.locator('.event pre').innerText()).to.match(
      /^\{"name":"console_first",.*"data":\{"number":1\}\}$/,
    )
  })

  it('tells tenant, user and size of an event, and copies it', async () => {
    const text = await page.locator('.event pre').innerText()
    const facts = await page.locator('.facts').innerText()
    expect(facts).to.contain(TENANT).and.to.contain('all users').and.to.contain(`${text.length} bytes`)
    await page.getByRole('button', { name: 'Copy' }).click()
    await until('Copied', async () => (await page.locator('.copy').innerText()) === 'Copied')
    expect(await page.evaluate('navigator.clipboard.readText()')).to.equal(text)
    await page.getByRole('button', { name: 'Raw' }).click()
  })

  it('keeps an open event under the pointer while others arrive, and tells how many', async () => {
    const where = () => page.locator('.line[aria-expanded=true]').boundingBox()
    const before = await where()
    for (let i = 0; i < 30; i++) await publish('console_behind', { i })
    await until('the count', async () => (await page.locator('#behind').innerText()).includes('Behind by 30'))
    expect(await where()).to.deep.equal(before)
    expect(await page.locator('.event .name').allInnerTexts()).to.deep.equal(['console_first'])
    await page.getByRole('button', { name: 'Show the newest' }).click()
    await until(
      'the newest',
      async () => (await page.locator('.name').first().innerText()) === 'console_behind',
    )
    expect(await page.locator('#behind').isVisible()).to.equal(false)
    await page.getByRole('button', { name: 'Clear' }).click()
    await publish('console_first', { number: 1 })
    await until('one row', async () => (await rows()) === 1)
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
    await until('the note', async () =>
      (await page.locator('#behind').innerText()).startsWith('Paused, behind by 1'),
    )
    expect(await rows()).to.equal(2)
    await page.getByRole('button', { name: 'Resume' }).click()
    await until('three rows', async () => (await rows()) === 3)
    await page.getByRole('button', { name: 'Clear' }).click()
    expect(await rows()).to.equal(0)
  })

  it('is used with the keyboard', async () => {
    for (const name of ['console_lower', 'console_middle', 'console_upper']) await publish(name, {})
    await until('three rows', async () => (await rows()) === 3)
    const focused = async () =>
      String(await page.evaluate("document.activeElement.querySelector('.name')?.textContent"))
    await page.locator('#list').focus()
    await page.keyboard.press('ArrowDown')
    expect(await focused()).to.equal('console_upper')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    expect(await focused()).to.equal('console_middle')
    expect(await page.locator('.event pre').innerText()).to.contain('  "name": "console_middle"')
    await page.keyboard.press('r')
    expect(await page.locator('.event pre').innerText()).to.contain('{"name":"console_middle"')
    await page.keyboard.press('r')
    await page.keyboard.press('Escape')
    expect([await page.locator('.event pre').count(), await focused()]).to.deep.equal([0, 'console_middle'])
    await page.keyboard.press('End')
    expect(await focused()).to.equal('console_lower')
    await publish('console_later', {})
    await until(
      'the count',
      async () =>
        (await page.locator('#behind').innerText()).includes('behind by 1') ||
        (await page.locator('#behind').innerText()).includes('Behind by 1'),
    )
    await page.keyboard.press('Escape')
    await until('four rows', async () => (await rows()) === 4)
    await page.keyboard.press('p')
    expect(await page.locator('#pause').innerText()).to.equal('Resume')
    await page.keyboard.press('p')
    await page.keyboard.press('/')
    expect(await page.evaluate('document.activeElement.id')).to.equal('filter')
    await page.keyboard.type('p')
    expect(await page.locator('#pause').innerText()).to.equal('Pause')
    await page.locator('#filter').fill('')
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

  it('keeps the token in storage only when it is asked to', async () => {
    const { token } = cluster.auth.mint({ tenant: TENANT })
    const stored = async () =>
      String(await page.evaluate('JSON.stringify({ ...sessionStorage, ...localStorage })'))
    await open(`#token=${token}`)
    await until('Live', async () => (await state()) === 'Live')
    expect(await stored()).not.to.contain(token)
    await page.reload()
    expect([await state(), await page.locator('#token').inputValue()]).to.deep.equal(['Not connected', ''])
    await page.locator('#token').fill(token)
    await page.getByLabel('Keep the token').check()
    expect(await stored()).to.contain(token)
    await page.reload()
    await until('Live', async () => (await state()) === 'Live')
    await page.locator('#settings > summary').click()
    await page.getByLabel('Keep the token').uncheck()
    expect(await stored()).not.to.contain(token)
  })

  it('renews the token of its session, and pings', async () => {
    const old = cluster.auth.mint({ tenant: TENANT })
    const { token } = cluster.auth.mint({ tenant: TENANT })
    await open(`#token=${old.token}`)
    await until('Live', async () => (await state()) === 'Live')
    await page.locator('#settings > summary').click()
    await page.getByRole('button', { name: 'Renew the token' }).click()
    await page.getByLabel('Put a new token for this session here.').fill(token)
    await page.keyboard.press('Enter')
    await until('the answer', async () => (await entries()).includes('The server has taken the new token.'))
    await page.getByRole('button', { name: 'Ping' }).click()
    await until('the pong', async () =>
      (await entries()).some((text) => text.startsWith('The server answered a ping')),
    )
    await cluster.deleteToken(old)
    await publish('console_renewed', {})
    await until('one row', async () => (await rows()) === 1)
    expect([await state(), await page.locator('#token').inputValue()]).to.deep.equal(['Live', token])
  })

  it('asks for another token when its own has expired, and goes on where it was', async () => {
    await open(`#token=${cluster.auth.mint({ tenant: TENANT, expiresInMs: 2500 }).token}`)
    await until('Live', async () => (await state()) === 'Live')
    await publish('console_valid', {})
    await until('one row', async () => (await rows()) === 1)
    await until('4003', async () => (await state()) === 'Closed (4003)')
    expect(await page.locator('#notice').innerText()).to.contain('The token expired or was deleted')
    await publish('console_between', {})
    await page.getByLabel('Put a new token here.').fill(cluster.auth.mint({ tenant: TENANT }).token)
    await page.locator('#token-submit').click()
    await until('Live', async () => (await state()) === 'Live')
    await until('two rows', async () => (await rows()) === 2)
    expect(await page.locator('.event .name').allInnerTexts()).to.deep.equal([
      'console_between',
      'console_valid',
    ])
    expect(await page.locator('#token-form').isVisible()).to.equal(false)
    const told = (await entries()).join(' | ')
    expect(told).to.match(/Live, going on where it was\..*Closed after [23] s\. 4003.*Live, from now on\./)
  })

  it('speaks version 1, too', async () => {
    await open(`#token=${cluster.auth.mint({ tenant: TENANT }).token}&version=1`)
    await until('Live', async () => (await state()) === 'Live')
    await publish('console_old', { big: 1 })
    await until('one row', async () => (await rows()) === 1)
    expect(await page.locator('.event .name').innerText()).to.equal('console_old')
    await until('the pong', async () => (await page.locator('#count-ping').innerText()).endsWith(' ms'))
    expect(await page.locator('#count-events').innerText()).to.match(/^[01]$/)
  })

  it('has thrown no error and met no refusal of its security policy', () => {
    expect(complaints).to.deep.equal([])
  })

  it('says what a close code means, and does not try again when that is of no use', async () => {
    await open('#token=unknown')
    await until('4002', async () => (await state()) === 'Closed (4002)')
    expect(await page.locator('#notice').innerText()).to.contain('The token is unknown, expired, or lacks')
    await page.getByRole('button', { name: 'Cancel' }).click()
    expect(await page.getByRole('button', { name: 'Disconnect' }).isDisabled()).to.equal(true)
    expect(await page.locator('#count-reconnects').innerText()).to.equal('0')
  })

  it(`draws ${RATE} events per second without a task above ${TASK_MS_MAX} ms, and is not cut`, async () => {
    const slow = await cluster.metric('slow_consumers_closed_total')
    await page.setViewportSize(DESK)
    await open(`#token=${cluster.auth.mint({ tenant: TENANT, user: USER }).token}`)
    await until('Live', async () => (await state()) === 'Live')
    await page.evaluate(
      `globalThis.tasks = []; new PerformanceObserver((list) =>
        tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' })`,
    )
    const { command, args } = programCommand('publish')
    const options = ['--rate', String(RATE), '--for', String(RATE_S), '--tenant', TENANT, '--user', USER]
    await promisify(execFile)(
      command,
      [...args, '--amqp-url', cluster.amqpUrl, '--acl', 'null', ...options, 'call_created'],
      { env: { ...process.env, NODE_OPTIONS: '' } },
    )
    const count = async () => Number((await page.locator('#count-events').innerText()).replace(/,/g, ''))
    await until('every event', async () => (await count()) === RATE * RATE_S)
    const tasks = await page.evaluate<number[]>('tasks')
    expect(Math.max(0, ...tasks), `long tasks: ${tasks.join(', ')} ms`).to.be.below(TASK_MS_MAX)
    expect(await cluster.metric('slow_consumers_closed_total')).to.equal(slow)
    expect((await entries()).length).to.equal(2)
    expect(await rows()).to.be.within(10, 60)
    expect(await page.locator('#list-note').innerText()).to.contain(
      'The last 5,000 are kept, 7,000 older ones dropped.',
    )
    await page.setViewportSize(PHONE)
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
    await open(`#token=${cluster.auth.mint({ tenant: TENANT }).token}`) // its waits begin anew
    await until('Live', async () => (await state()) === 'Live')
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

  describe('is accessible, by axe, light and dark', () => {
    const open = "document.querySelectorAll('details').forEach((details) => (details.open = true))"
    interface Found {
      violations: { id: string; nodes: { html: string }[] }[]
    }

    for (const viewport of [PHONE, DESK])
      describe(`${viewport.width} pixels wide`, () => {
        let view: Page
        const base = () => `http://127.0.0.1:${cluster.edges[0]!.port}/console`
        const check = async () => {
          await view.evaluate(open)
          for (const [colorScheme, rules] of [
            ['light', ''],
            ['dark', "{ runOnly: ['color-contrast'] }"],
          ] as const) {
            await view.emulateMedia({ colorScheme })
            const { violations } = await view.evaluate<Found>(`axe.run(${rules})`)
            const faults = violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
            expect(faults, colorScheme).to.deep.equal([])
          }
          expect(await view.evaluate('document.documentElement.scrollWidth')).to.be.at.most(viewport.width)
        }

        before(async () => {
          view = await browser.newPage({ viewport })
          await view.addInitScript({ path: AXE })
        })

        after(() => view.close())

        it('while it is live, with an open event', async () => {
          await view.goto(`${base()}#token=${cluster.auth.mint({ tenant: TENANT }).token}`)
          await until('Live', async () => (await view.locator('#state-text').innerText()) === 'Live')
          for (const name of ['console_a', 'console_b']) await publish(name, { number: 1 })
          await until('two rows', async () => (await view.locator('.event').count()) === 2)
          await view.locator('.line').first().click()
          await check()
        })

        it('when it asks for another token', async () => {
          await view.goto('about:blank')
          await view.goto(`${base()}#token=unknown`)
          await view.locator('#token-form').waitFor()
          await check()
        })

        it('when it asks whether another server may have the token', async () => {
          await view.goto('about:blank')
          await view.goto(`${base()}#token=x&host=evil.example`)
          await view.locator('#foreign').waitFor()
          await check()
        })
      })
  })
})
