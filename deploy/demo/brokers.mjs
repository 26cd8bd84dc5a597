/** The servers that the demo runs privately: present, installed from Debian, or one line that says what to type. */
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { startGuarded } from '../../test/support/guard.mjs'
import { DemoError } from './prepare.mjs'

// Debian keeps servers outside of an ordinary user's PATH.
const MORE_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin']
const POLICY = '/usr/sbin/policy-rc.d'
const NO_SERVICES = '#!/bin/sh\nexit 101\n'

/** @param {string} program */
function find(program) {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...MORE_DIRECTORIES]
  return directories.some((directory) => executable(join(directory, program)))
}

/** @param {string} file */
function executable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * Installs those of `servers` that are missing (their packages have the same names).
 * @param {readonly string[]} servers
 * @param {(what: string, work: () => Promise<void>) => Promise<void>} step shows progress
 * @param {(end: () => Promise<void>) => void} onStop registers what to undo
 * @throws {DemoError} with the line to type, when this is not for us to do
 */
export async function installBrokers(servers, step, onStop) {
  const missing = servers.filter((server) => !find(server))
  if (missing.length === 0) return
  const packages = missing.join(' ')
  if (process.getuid?.() !== 0 || !find('apt-get'))
    throw new DemoError(`${missing.join(' and ')} not found; type: sudo apt-get install -y ${packages}`)
  await step(`Installing ${missing.join(' and ')} (apt-get)`, () =>
    withoutServices(() => apt(missing), onStop),
  )
}

/** @param {readonly string[]} packages */
async function apt(packages) {
  const base = ['-y', '-qq', '-o', 'DPkg::Lock::Timeout=60']
  const failure =
    (await run(['update', ...base])) ??
    (await run(['install', '--no-install-recommends', ...base, ...packages]))
  if (failure !== null)
    throw new DemoError(`apt-get failed: ${failure}; type: apt-get install -y ${packages.join(' ')}`)
}

/** @param {readonly string[]} args @returns {Promise<string | null>} the last line of its output when it failed */
async function run(args) {
  const program = startGuarded('apt-get', args, {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  const { code } = await program.exit
  return code === 0 ? null : (program.output().trim().split('\n').at(-1) ?? `status ${code}`)
}

/**
 * Lets packages be installed with their services not started: the demo runs servers of its own.
 * @param {() => Promise<void>} work
 * @param {(end: () => Promise<void>) => void} onStop
 */
async function withoutServices(work, onStop) {
  if (existsSync(POLICY)) return work() // the machine has a policy already
  const remove = () => rmSync(POLICY, { force: true })
  writeFileSync(POLICY, NO_SERVICES, { mode: 0o755 })
  onStop(() => Promise.resolve(remove()))
  await work().finally(remove)
}
