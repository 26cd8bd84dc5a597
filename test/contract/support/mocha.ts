/** Runs parts of the contract suite in a process of their own, as anybody who points it at a server would. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const MOCHA = fileURLToPath(import.meta.resolve('mocha/bin/mocha.js'))
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** The rules themselves; not the tests about this suite, which would start it again. */
const SPEC = ['test/contract/*.test.ts', '--ignore', 'test/contract/about-*.test.ts']

export interface Outcome {
  readonly title: string
  readonly file: string
  readonly failed: boolean
  readonly message: string
}

interface Report {
  readonly tests: readonly {
    readonly title: string
    readonly file: string
    readonly err: { readonly message?: string }
  }[]
  readonly pending: readonly { readonly title: string }[]
}

/**
 * Runs the suite and gives the outcome of each test that was not skipped.
 * Throws with what it printed when mocha gives no report.
 */
export async function runSuite(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome[]> {
  const command = [MOCHA, ...SPEC, '--reporter', 'json', '--exit', ...args]
  // No coverage: what runs there is this suite and, with it, a server of somebody else.
  const environment = { ...process.env, NODE_V8_COVERAGE: '', ...env }
  const child = spawn(process.execPath, command, { cwd: ROOT, env: environment })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject))
  const begin = output.indexOf('{\n')
  if (begin < 0) throw new Error(`mocha gave no report:\n${output}\n${errors}`)
  const { tests, pending } = JSON.parse(output.slice(begin)) as Report
  const skipped = new Set(pending.map(({ title }) => title))
  return tests
    .filter(({ title }) => !skipped.has(title))
    .map(({ title, file, err }) => ({
      title,
      file,
      failed: err.message !== undefined,
      message: err.message ?? '',
    }))
}

/** The numbers of the rules that a title names. */
export function rulesOf(title: string): string[] {
  return (/^(?:C\d+\.\d+ ?)+(?=:)/.exec(title)?.[0] ?? '').split(' ').filter((rule) => rule !== '')
}
