import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { childArguments } from '@wazo-websocketd/shared/runtime/early-signals'
import { expect } from 'chai'

/** Runs on for a moment, says whether an inspector is open, and ends. */
const PROGRAM = `
import inspector from 'node:inspector'
console.log('runs')
process.stdin.once('data', () => setTimeout(() => console.log(inspector.url() ?? 'closed'), 50))
process.stdin.once('end', () => process.exit(0))
`

async function signalled(args: readonly string[], signal: NodeJS.Signals): Promise<string> {
  const child = spawn(process.execPath, [...args, '--input-type=module', '-e', PROGRAM])
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => (said += text.toString()))
  await once(child.stdout, 'data')
  child.kill(signal)
  child.stdin.write('.')
  while (!/closed|ws:/.test(said) && child.exitCode === null && child.signalCode === null)
    await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  child.stdin.end()
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
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

  it('leave nothing open in this process, which has loaded the module', () => {
    expect(process.listenerCount('SIGUSR1')).to.be.greaterThan(0)
    expect(process.listenerCount('SIGUSR2')).to.be.greaterThan(0)
  })
})
