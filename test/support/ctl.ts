/** Runs wazo-websocketd-ctl, from source or built, whichever the tests themselves run in. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from './config.js'
import { temporaryDirectory } from './guard.mjs'
import { fromSource, type Program } from './program.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SOURCE = ['--import', 'tsx', '--conditions=source', join(ROOT, 'packages/edge/src/ctl.ts')]
const BUILT = [join(ROOT, 'packages/edge/bin/wazo-websocketd-ctl.js')]

export interface CtlRun {
  readonly status: number | null
  readonly out: string
  readonly err: string
  /** From the start of the process to its end, milliseconds. */
  readonly ms: number
}

export interface CtlOptions {
  readonly configFile?: string
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  /** Limit of open files. */
  readonly openFiles?: number
  /** Where standard output goes instead of into `out`. */
  readonly output?: string
}

export async function runCtl(args: readonly string[], options: CtlOptions = {}): Promise<CtlRun> {
  const { configFile, input = '', env = {}, openFiles, output } = options
  const line = [process.execPath, ...(fromSource ? SOURCE : BUILT), ...args]
  const limited = openFiles === undefined ? line : ['prlimit', `--nofile=${openFiles}:${openFiles}`, ...line]
  const config = configFile === undefined ? [] : ['-c', configFile]
  const from = performance.now()
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(WAZO_WEBSOCKETD_|XIVO_UUID$)/.test(name),
  )
  const written = output === undefined ? 'pipe' : openSync(output, 'w')
  const child = spawn(limited[0]!, [...limited.slice(1), ...config], {
    cwd: ROOT,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['pipe', written, 'pipe'],
  })
  if (written !== 'pipe') closeSync(written)
  const [out, err] = [child.stdout, child.stderr].map((stream) => stream?.setEncoding('utf8').toArray() ?? [])
  child.stdin!.on('error', () => undefined).end(input)
  const [status] = (await once(child, 'exit')) as [number | null]
  const [outText, errText] = await Promise.all(
    [out, err].map(async (text) => ((await text) as string[]).join('')),
  )
  return { status, out: outText!, err: errText!, ms: performance.now() - from }
}

/** The configuration file that a program was started with. */
export function configFileOf({ pid }: Program): string {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  return words[words.indexOf('-c') + 1]!
}

/** Writes a configuration that takes nothing from this machine. */
export async function writeConfigFile(config: Config): Promise<string> {
  const directory = await temporaryDirectory('ctl')
  const file = join(directory, 'config.yml')
  const directories = { extra_config_files: join(directory, 'conf.d') }
  await mkdir(directories.extra_config_files)
  await writeFile(file, JSON.stringify({ admin: { socket: null }, ...config, ...directories }))
  return file
}
