import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

/**
 * Asks for a password, on standard error and without showing it; without a terminal, reads the first line of standard input.
 * Empty: there was none.
 */
export async function askPassword(question: string): Promise<string> {
  const { stdin: input, stderr } = process
  const terminal = input.isTTY
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input, output: silent, terminal })
  if (terminal) stderr.write(question) // nothing is shown from here on
  try {
    return await new Promise<string>((resolve) => {
      lines.once('line', resolve)
      lines.once('close', () => resolve(''))
      lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'))
    })
  } finally {
    lines.close()
    input.pause()
    if (terminal) stderr.write('\n')
  }
}
