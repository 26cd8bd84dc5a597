import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { startGuarded, temporaryDirectory } from '../support/guard.mjs'
import { processes } from '../support/processes.mjs'
import { waitFor } from '../support/wait.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const QUICK = ['ingest-kill', 'worker-kill', 'redis-clients', 'redis-empty', 'amqp-reset', 'edge-upgrade']

/** `npm run chaos` on what is built, with its own place for temporary files. */
async function chaos(...args: string[]) {
  const home = await temporaryDirectory('chaos')
  const runId = `chaos-${Math.random().toString(36).slice(2)}`
  const env = { ...process.env, TMPDIR: home, WAZO_RUN_ID: runId }
  const command = ['--import', './test/support/built.mjs', 'test/chaos/main.ts', ...args]
  const program = startGuarded(process.execPath, command, { cwd: ROOT, env })
  const left = (): string[] => [
    ...readdirSync(home).filter((name) => name.startsWith('wazo')), // and not what tsx keeps
    ...processes()
      .filter(({ environment }) => environment.includes(`WAZO_RUN_ID=${runId}`))
      .map(({ command: line }) => line),
  ]
  return { ...program, left }
}

describe('npm run chaos', function () {
  this.timeout(600_000)

  it('finds no violation in three rounds of quick faults, and leaves nothing behind', async () => {
    const program = await chaos('--seed', '4', '--rounds', '3', '--kinds', QUICK.join())
    const { code } = await program.exit
    const output = program.output()
    console.log(output.replaceAll(/^/gm, '      '))
    expect(output).to.match(/^violations +0$/m)
    expect(Number(/^deliveries checked +(\d+)$/m.exec(output)?.[1])).to.be.above(30_000)
    expect(output).to.match(/^upgrades +[1-9]\d* completed, 0 failed$/m)
    expect(Number(/^connections passed +(\d+)/m.exec(output)?.[1])).to.be.above(30)
    expect(code).to.equal(0)
    await waitFor(() => program.left().length === 0, { what: 'all to be cleaned up' })
  })

  it('refuses wrong options with status 2 and one line', async () => {
    for (const args of [
      ['--seed', 'x'],
      ['--minutes', '0'],
      ['--kinds', 'earthquake'],
      ['--layout', 'ring'],
      ['--upgrades', '0'],
      ['--frobnicate'],
    ]) {
      const program = await chaos(...args)
      expect((await program.exit).code).to.equal(2)
      expect(program.output().trim().split('\n'), program.output()).to.have.length(1)
    }
  })

  it('ends on SIGINT with status 130, in the middle of a run, and leaves nothing behind', async () => {
    const program = await chaos('--seed', '4', '--kinds', 'redis-freeze')
    await waitFor(() => program.output().includes('redis-freeze:') || program.ended(), {
      timeoutMs: 120_000,
      what: 'the first fault',
    })
    program.kill('SIGINT')
    const { code } = await Promise.race([program.exit, sleep(45_000, { code: 'still running' })])
    expect(code, program.output()).to.equal(130)
    await waitFor(() => program.left().length === 0, { what: 'all to be cleaned up' })
  })
})
