import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { childArguments } from '@wazo-websocketd/shared/runtime/early-signals'
import { expect } from 'chai'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))

/** Runs on for a moment, says whether an inspector is open, and ends. */
const PROGRAM = `
import inspector from 'node:inspector'
console.log('runs')
process.stdin.once('data', () => setTimeout(() => console.log(inspector.url() ?? 'closed'), 50))
process.stdin.once('end', () => process.exit(0))
`

async function signalled(args: readonly string[], signal: NodeJS.Signals): Promise<string> {
  const child = spawn(process.execPath, [...args, '--input-type=module', '-e', PROGRAM])
  const closed = once(child, 'close') // has ended, and what it wrote is here
  child.stdin.on('error', () => undefined) // it may have ended before it is asked
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => (said += text.toString()))
  await once(child.stdout, 'data')
  child.kill(signal)
  child.stdin.write('.')
  while (!/closed|ws:/.test(said) && child.exitCode === null && child.signalCode === null)
    await Promise.race([once(child.stdout, 'data'), closed])
  child.stdin.end()
  await closed
  return `${said} ${child.exitCode ?? child.signalCode}`
}

describe('signals that Node has a meaning for', () => {
  it('end a program, or open its inspector, that does not take them over', async () => {
    expect(await signalled(['--inspect-port=0'], 'SIGUSR1')).to.match(/ws:/)
    expect(await signalled([], 'SIGUSR2')).to.match(/ SIGUSR2$/)
  })

  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const)
    it(`do nothing in a child from its first moment on: ${signal}`, async () => {
      expect(await signalled(childArguments, signal)).to.match(/^runs\s+closed\s+0$/)
    })

  it('have what they opened while Node started closed by the first line, or soon after it', () => {
    const opened = `
      import inspector from 'node:inspector'
      inspector.open(0, '127.0.0.1')
      await import('@wazo-websocketd/shared/runtime/early-signals')
      console.log(inspector.url() ?? 'closed')
      inspector.open(0, '127.0.0.1')
      const at = Date.now()
      while (inspector.url() !== undefined && Date.now() - at < 5000) await new Promise((then) => setTimeout(then, 5))
      console.log(inspector.url() ?? 'closed')`
    const args = ['--import=tsx', '--conditions=source', '--input-type=module', '-e', opened]
    const said = execFileSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' })
    expect(said).to.equal('closed\nclosed\n')
  })

  it('leave nothing open in this process, which has loaded the module', () => {
    expect(process.listenerCount('SIGUSR1')).to.be.greaterThan(0)
    expect(process.listenerCount('SIGUSR2')).to.be.greaterThan(0)
  })
})
