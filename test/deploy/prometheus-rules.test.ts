import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { temporaryDirectory } from '../support/guard.mjs'
import { runTool } from '../support/tools.js'

const SHIPPED = fileURLToPath(new URL('../../deploy/prometheus', import.meta.url))
const ALERTS = 'rules/wazo-websocketd-alerts.yml'
const RECORDING = 'rules/wazo-websocketd-recording.yml'

const testsIn = async (directory: string) =>
  (await readdir(join(directory, 'tests'))).map((file) => join(directory, 'tests', file))
const unitTests = (files: readonly string[]) => runTool('promtool', ['test', 'rules', ...files])

describe('the rules for Prometheus', function () {
  this.timeout(60_000)

  /** What promtool says about `tests` when `find` is `replacement` in a copy of the rules. */
  async function withChange(file: string, find: string, replacement: string, tests: string) {
    const copy = await temporaryDirectory('rules')
    await cp(SHIPPED, copy, { recursive: true })
    const text = await readFile(join(copy, file), 'utf8')
    expect(text.split(find), 'the place to change is there').to.have.length.above(1)
    await writeFile(join(copy, file), text.replaceAll(find, replacement))
    return unitTests([join(copy, 'tests', tests)])
  }

  it('and the configuration are right (promtool check)', async () => {
    const config = await runTool('promtool', ['check', 'config', join(SHIPPED, 'prometheus.yml')])
    expect(config).to.deep.include({ status: 0 })
    expect(config.output).to.include('2 rule files found')
    const files = [ALERTS, RECORDING].map((file) => join(SHIPPED, file))
    const rules = await runTool('promtool', ['check', 'rules', '--lint=all', '--lint-fatal', ...files])
    expect(rules).to.deep.include({ status: 0 })
  })

  it('fire when they must, from a fresh start at a scrape each 15 s, and not otherwise (promtool test)', async () => {
    const { status, output } = await unitTests(await testsIn(SHIPPED))
    expect(status, output).to.equal(0)
  })

  it('have a test for every alert', async () => {
    const names = [...(await readFile(join(SHIPPED, ALERTS), 'utf8')).matchAll(/- alert: (\w+)/g)].map(
      ([, name]) => name!,
    )
    const tests = (await Promise.all((await testsIn(SHIPPED)).map((file) => readFile(file, 'utf8')))).join('')
    const fired = [...tests.matchAll(/alertname="(\w+)"/g)].map(([, name]) => name!)
    expect(names).to.have.length.above(15)
    expect(fired).to.include.members(names)
  })

  for (const [what, file, find, replacement, tests, complaint] of [
    [
      'forget what was counted before the first scrape',
      RECORDING,
      'time() - process_start_time_seconds < 300',
      'time() - process_start_time_seconds < 0',
      'symptoms.yml',
      'exp: {alertname="WebsocketdMassClose1011"}',
    ],
    [
      'need two minutes of no Redis',
      ALERTS,
      'for: 1m\n',
      'for: 2m\n',
      'causes.yml',
      'exp: {alertname="WebsocketdRedisDown"}',
    ],
    [
      'let a cause end before its symptoms',
      ALERTS,
      'keep_firing_for: 10m\n',
      'keep_firing_for: 1m\n',
      'causes.yml',
      'exp: {alertname="WebsocketdRabbitmqDown"}',
    ],
    [
      'fire at an ordinary upgrade',
      ALERTS,
      'for: 2m\n',
      'for: 0s\n',
      'ordinary.yml',
      'alertname="WebsocketdEventLoopLag"',
    ],
  ] as const)
    it(`would fail if they did ${what} (the tests can fail)`, async () => {
      const { status, output } = await withChange(file, find, replacement, tests)
      expect(status, output).to.equal(1)
      expect(output).to.include(complaint)
    })
})
