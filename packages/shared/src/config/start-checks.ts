/** What `--check-config` finds on this machine that would end or weaken a start. Nothing is created, bound or given away. */
import { accessSync, constants, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { isOwnAddress } from '../runtime/machine-addresses.js'
import { accountToBecome, become, userWarnings, type PrivilegeSystem } from '../runtime/privileges.js'
import { messageOf, StartupError } from '../runtime/startup-error.js'
import { describeSystemError, isMissing } from '../runtime/system-error.js'
import { readTlsFiles } from '../runtime/server-tls.js'
import { readAuthorities, readClientTls } from '../runtime/tls.js'
import type { Program } from './checks.js'
import { ConfigError } from './error.js'
import type { ConfigReading } from './load.js'
import type { Config } from './schema.js'

const EDGE: Program = 'wazo-websocketd-edge'
const READABLE_BY_OTHERS = 0o004
const PERMISSIONS = 0o777

export interface StartCheckOptions {
  readonly program: Program
  readonly reading: ConfigReading
  /** Reads the configuration again, as a reload does. */
  readonly readAgain: () => void
  /** Absent: the system's. */
  readonly privileges?: PrivilegeSystem
}

export interface StartFindings {
  /** One line each. */
  readonly problems: readonly string[]
  /** One line each. */
  readonly warnings: readonly string[]
}

/** Checks what a start needs, in its order. Where a start as root would become another user, this process becomes it, too. */
export function startChecks({ program, reading, readAgain, privileges }: StartCheckOptions): StartFindings {
  const { config } = reading
  const problems: string[] = []
  const warnings = exposedKeys(reading, program)
  const attempt = (step: () => void): void => {
    try {
      step()
    } catch (error) {
      if (!(error instanceof StartupError || error instanceof ConfigError)) throw error
      problems.push(messageOf(error))
    }
  }

  for (const step of certificateSteps(config, program)) attempt(step)
  for (const [key, address] of listeners(config, program)) attempt(() => checkOwnAddress(key, address))
  attempt(() => checkLogFile(config.log_file))
  attempt(() => warnings.push(...userWarnings(config.user, privileges)))
  if (problems.length > 0) return { problems, warnings }
  attempt(() => {
    const account = accountToBecome(config.user, privileges)
    if (account === null) return
    become(account, privileges)
    asUser(account.name, () => {
      if (program === EDGE) readAgain()
      for (const step of program === EDGE ? certificateSteps(config, program) : []) step()
    })
    if (config.log_file !== null) checkDirectory(config.log_file, constants.X_OK)
  })
  return { problems, warnings }
}

/** Reads what the program reads at its start and, the edge, at each reload. */
function certificateSteps(
  { auth, bus, redis, websocket }: Config,
  program: Program,
): readonly (() => unknown)[] {
  const redisStep = () => readClientTls('redis.tls', redis.tls)
  if (program !== EDGE) return [redisStep, () => readClientTls('bus.tls', bus.tls)]
  const verify = auth.verify_certificate
  return [
    redisStep,
    ...(typeof verify === 'string' ? [() => readAuthorities('auth.verify_certificate', verify)] : []),
    () => readTlsFiles(websocket),
  ]
}

function listeners({ metrics, websocket }: Config, program: Program): readonly (readonly [string, string])[] {
  const own = ['metrics.listen', metrics.listen] as const
  return program === EDGE ? [['websocket.listen', websocket.listen], own] : [own]
}

function checkOwnAddress(key: string, address: string): void {
  if (!isOwnAddress(address)) throw new StartupError(`${key}: ${address} is not an address of this machine`)
}

function checkLogFile(file: string | null): void {
  if (file === null) return
  try {
    if (statSync(file).isDirectory()) throw new StartupError(`log_file: ${file} is a directory, not a file`)
    accessSync(file, constants.W_OK)
  } catch (error) {
    if (error instanceof StartupError) throw error
    if (!isMissing(error))
      throw new StartupError(`log_file: cannot open ${file}: ${describeSystemError(error)}`)
    checkDirectory(file, constants.W_OK | constants.X_OK)
  }
}

function checkDirectory(file: string, mode: number): void {
  const directory = dirname(file)
  try {
    accessSync(directory, mode)
  } catch (error) {
    const what = isMissing(error) ? 'does not exist' : `cannot be written to: ${describeSystemError(error)}`
    throw new StartupError(`log_file: the directory ${directory} ${what}`)
  }
}

function asUser(user: string, read: () => void): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof StartupError || error instanceof ConfigError)) throw error
    throw new StartupError(`user: ${user} cannot read what each reload reads: ${messageOf(error)}`)
  }
}

/** Files of secrets that every user of this machine may read. */
function exposedKeys({ settings }: Pick<ConfigReading, 'settings'>, program: Program): string[] {
  const keys =
    program === EDGE
      ? ['auth.key_file', 'auth.password_file', 'websocket.private_key']
      : ['bus.password_file', 'bus.tls.key']
  return [...keys, 'redis.tls.key', 'redis.url_file', 'redis.password_file'].flatMap((key) => {
    const file = settings.get(key)?.value
    const mode = typeof file === 'string' ? modeOf(file) : 0
    return (mode & READABLE_BY_OTHERS) === 0
      ? []
      : [`${key}: ${String(file)} can be read by every user (mode ${mode.toString(8)}): chmod o-r`]
  })
}

/** 0 where the file cannot be looked at. */
function modeOf(file: string): number {
  try {
    return statSync(file).mode & PERMISSIONS
  } catch {
    return 0
  }
}
