/**
 * `npm run package:try`, as root on Debian: the package in a Debian 12 of its own, from the installation to the purge; and
 * in another one over a package of the incumbent's name, and back.
 * `-- --root DIRECTORY` keeps that Debian for the next time, `--fast` compresses the packages hardly.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { run } from '../../deploy/debian/run.mjs'
import { ensureDebian, orExplain } from '../support/install.mjs'
import { buildDummy } from './dummy.js'
import { show } from './show.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Each in a Debian of its own: beside nothing, and over a package of the incumbent's name. */
const PARTS = ['inside.ts', 'over-incumbent.ts'].map((name) => fileURLToPath(new URL(name, import.meta.url)))
const LOADER = fileURLToPath(new URL('../support/built.mjs', import.meta.url))
const SUITE = 'bookworm'
/** A version after the present one. */
const NEXT = '0.1.1~next'
const QUIET = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
const BROKERS = ['redis-server', 'rabbitmq-server']

async function build(out: string, ...args: string[]): Promise<string> {
  return (
    await run(process.execPath, ['deploy/debian/build.mjs', '--out', out, ...args], { cwd: ROOT })
  ).trim()
}

/** A Debian with the brokers, and nothing of ours; its repositories are debootstrap's own. */
async function debian(directory: string): Promise<void> {
  if (existsSync(join(directory, 'usr/sbin/rabbitmq-server'))) return
  await run('debootstrap', ['--variant=minbase', SUITE, directory])
  await writeFile(join(directory, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  await apt(directory, 'update')
  await apt(directory, 'install', '--no-install-recommends', ...BROKERS)
}

function apt(directory: string, ...args: string[]): Promise<string> {
  return run('chroot', [directory, 'apt-get', '--yes', ...args], { env: QUIET })
}

/** Runs a part of the trial; resolves with its status. */
function tryPart(part: string, work: string, args: readonly string[]): Promise<number> {
  // A network and processes of their own: the ports are free, and whatever runs there ends with this.
  const namespaces = ['--net', '--pid', '--mount', '--fork', '--kill-child', '--mount-proc']
  const child = spawn('unshare', [...namespaces, process.execPath, '--import', LOADER, part, ...args], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, TMPDIR: work },
  })
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { root: { type: 'string' }, fast: { type: 'boolean', default: false } },
  })
  const how = values.fast ? ['--fast'] : []
  const work = await mkdtemp(join(tmpdir(), 'wazo-websocketd-try-'))
  const [debs, kept, used] = [join(work, 'debs'), values.root ?? join(work, 'debian'), join(work, 'used')]
  try {
    const [old, next] = [await build(debs, ...how), await build(debs, ...how, '--version', NEXT)]
    show(`built ${old.slice(debs.length + 1)} and ${next.slice(debs.length + 1)}`)
    await mkdir(kept, { recursive: true })
    await debian(kept)
    show(`a Debian (${SUITE}) with ${BROKERS.join(' and ')}`)
    const files = [old, next].map((file) => file.replace(debs, '/debs'))
    await buildDummy(debs)
    for (const part of PARTS) {
      await run('cp', ['--archive', kept, used])
      await cp(debs, join(used, 'debs'), { recursive: true })
      process.exitCode = await tryPart(part, work, [used, ...files, NEXT])
      if (process.exitCode !== 0) return
      await rm(used, { recursive: true })
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

await orExplain(() => ensureDebian(['debootstrap']))
await main()
