import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { expect } from 'chai'
import { startGuarded, temporaryDirectory } from '../support/guard.mjs'
import { groupIsAlive } from '../support/processes.mjs'
import { waitFor } from '../support/wait.mjs'

/** A process that starts what must not outlive it, prints what it started, and waits. */
const PARENT = `
const { startGuarded, temporaryDirectory } = await import(process.argv[1])
const child = startGuarded('/bin/sh', ['-c', 'sleep 300 & sleep 300'])
console.log(JSON.stringify({ pid: child.pid, directory: await temporaryDirectory('orphan') }))
`

describe('a guarded process', () => {
  for (const signal of ['SIGKILL', 'SIGINT'] as const)
    it(`does not outlive its parent's ${signal}, nor does the temporary directory`, async () => {
      const guard = new URL('../support/guard.mjs', import.meta.url).href
      const parent = execFile(process.execPath, ['--input-type=module', '-e', PARENT, guard])
      const line = await new Promise<string>((resolve) => parent.stdout?.once('data', resolve))
      const { pid, directory } = JSON.parse(line) as { pid: number; directory: string }
      expect(groupIsAlive(pid)).to.equal(true)
      expect(existsSync(directory)).to.equal(true)
      parent.kill(signal)
      await waitFor(() => !groupIsAlive(pid) && !existsSync(directory), { what: 'the watchdog' })
    })

  it('is ended with all that it started', async () => {
    const child = startGuarded('/bin/sh', ['-c', 'trap "" TERM; echo deaf; sleep 300 & sleep 300'])
    await waitFor(() => child.output().includes('deaf'))
    await child.terminate('SIGTERM', 100)
    expect((await child.exit).signal).to.equal('SIGKILL')
    await waitFor(() => !groupIsAlive(child.pid), { what: 'the end of the group' })
  })

  it('gives its output and its end', async () => {
    const child = startGuarded('/bin/sh', ['-c', 'echo out; echo err >&2; exit 3'])
    expect(await child.exit).to.deep.equal({ code: 3, signal: null })
    await waitFor(() => child.output().includes('out') && child.output().includes('err'))
    expect(child.ended()).to.equal(true)
  })

  it('has temporary directories that differ', async () => {
    const [one, other] = await Promise.all([temporaryDirectory('same'), temporaryDirectory('same')])
    expect(one).not.to.equal(other)
  })
})
