import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Runs a program to its end: its status, and all that it has said. */
export async function runTool(
  command: string,
  args: readonly string[],
  input = '',
): Promise<{ status: number | null; output: string }> {
  const tool = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [tool.stdout, tool.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  tool.stdin.end(input)
  const [status] = (await once(tool, 'close')) as [number | null]
  return { status, output }
}
