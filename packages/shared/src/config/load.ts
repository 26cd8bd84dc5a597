/** Reads every source of the configuration in its order of precedence. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { crossChecks, type Program } from './checks.js'
import { environmentTree, type Environment } from './environment.js'
import { ConfigError } from './error.js'
import { describeSystemError, isMissing } from '../runtime/system-error.js'
import { readSecretFiles } from './secret-files.js'
import { resolve, type Resolution, type Setting } from './resolve.js'
import { DEFAULT_CONFIG_FILE, DEFAULT_EXTRA_CONFIG_FILES, DEFAULT_KEY_FILE, type Config } from './schema.js'
import { leafAt, mergeAll, type Node, type Tree } from './tree.js'
import { readYamlFile, type YamlFile } from './yaml-file.js'

export interface ConfigSources {
  readonly program: Program
  /** `-c`; null: the default file, which may be missing. */
  readonly configFile: string | null
  /** `-d`. */
  readonly debug: boolean
  /** `-u`; null: the key `user`. */
  readonly user: string | null
  readonly environment: Environment
}

export interface LoadedConfig {
  readonly config: Config
  /** Every effective key, in the order of the schema. */
  readonly settings: ReadonlyMap<string, Setting>
  /** For the log, one line each: unknown and repeated keys, values not written as they should be. */
  readonly warnings: readonly string[]
  /** For the log, one line each: files that are missing and need not be there. */
  readonly notes: readonly string[]
}

/** What was read, usable or not; for `--check-config`. */
export interface ConfigReading extends LoadedConfig {
  readonly problems: readonly string[]
}

/**
 * The effective configuration.
 * @throws ConfigError when a file cannot be read or understood, or a value is of the wrong type.
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const reading = readConfig(sources)
  if (reading.problems.length > 0) throw new ConfigError(reading.problems)
  return reading
}

/**
 * The same with all its problems.
 * @throws ConfigError when a file cannot be read or understood.
 */
export function readConfig(sources: ConfigSources): ConfigReading {
  const warnings: string[] = []
  const notes: string[] = []
  const environment = environmentTree(sources.environment)
  const file = readConfigFile(sources.configFile, warnings, notes)
  const directory = readDirectory(mergeAll([environment, file]), warnings)
  const keys = credentials(sources.program, mergeAll([environment, ...directory, file]), warnings, notes)
  const given = mergeAll([commandLineTree(sources), environment, keys, ...directory, file])
  const secrets = readSecretFiles({ ...sources, tree: given })
  const resolution = resolve(mergeAll([secrets.tree, given]))
  return {
    config: resolution.config,
    settings: resolution.settings,
    warnings: [...warnings, ...resolution.unknown, ...resolution.remarks],
    notes,
    problems: allProblems(resolution, secrets.problems, sources.program),
  }
}

function commandLineTree({ debug, user }: Pick<ConfigSources, 'debug' | 'user'>): Tree {
  const tree = new Map<string, Node>()
  if (debug) tree.set('debug', { value: true, source: 'command line' })
  if (user !== null) tree.set('user', { value: user, source: 'command line', fromText: true })
  return tree
}

function allProblems(
  resolution: Resolution,
  ofSecrets: readonly string[],
  program: Program,
): readonly string[] {
  if (resolution.problems.length + ofSecrets.length > 0) return [...resolution.problems, ...ofSecrets]
  return crossChecks(resolution.config, resolution.settings, program)
}

function readConfigFile(explicit: string | null, warnings: string[], notes: string[]): Tree {
  const path = explicit ?? DEFAULT_CONFIG_FILE
  try {
    return keep(readYamlFile(path), warnings)
  } catch (error) {
    if (explicit === null && isMissing(error)) {
      notes.push(`${path} does not exist: defaults are used`)
      return new Map()
    }
    throw asConfigError(error, path, 'cannot read the configuration file')
  }
}

/** The files of `extra_config_files`, the one that wins first. */
function readDirectory(tree: Tree, warnings: string[]): readonly Tree[] {
  const leaf = leafAt(tree, ['extra_config_files'])
  const path = leaf === undefined ? DEFAULT_EXTRA_CONFIG_FILES : leaf.value
  if (typeof path !== 'string') return [] // `resolve` names it as a problem
  let names: string[]
  try {
    names = readdirSync(path, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && entry.name.endsWith('.yml') && !entry.name.startsWith('.'))
      .map((entry) => entry.name)
      .sort()
  } catch (error) {
    if (!isMissing(error)) throw asConfigError(error, path, 'cannot read the directory extra_config_files')
    if (leaf !== undefined) warnings.push(`${leaf.source}: extra_config_files: ${path} does not exist`)
    return []
  }
  return names.map((name) => {
    const file = join(path, name)
    try {
      return keep(readYamlFile(file), warnings)
    } catch (error) {
      throw asConfigError(error, file, 'cannot read the configuration file')
    }
  })
}

/** The key file, which only the edge needs: the ingest never asks wazo-auth and may lack the right to read it. */
function credentials(program: Program, tree: Tree, warnings: string[], notes: string[]): Tree {
  try {
    return readKeyFile(tree, warnings, notes)
  } catch (error) {
    if (program === 'wazo-websocketd-edge' || !(error instanceof ConfigError)) throw error
    warnings.push(error.message)
    return new Map()
  }
}

/** `service_id` and `service_key` of the key file as `auth.username` and `auth.password`. */
function readKeyFile(tree: Tree, warnings: string[], notes: string[]): Tree {
  const leaf = leafAt(tree, ['auth', 'key_file'])
  const path = leaf === undefined ? DEFAULT_KEY_FILE : leaf.value
  if (typeof path !== 'string' || path === '' || (leaf?.fromText === true && path === 'null'))
    return new Map()
  let content: Tree
  try {
    content = keep(readYamlFile(path), warnings)
  } catch (error) {
    if (leaf === undefined && isMissing(error)) {
      notes.push(`${path} does not exist: auth.username and auth.password are used`)
      return new Map()
    }
    throw asConfigError(
      error,
      path,
      `cannot read the key file (auth.key_file, set by ${leaf?.source ?? 'defaults'})`,
    )
  }
  const pair = new Map<string, Node>()
  for (const [key, target] of [
    ['service_id', 'username'],
    ['service_key', 'password'],
  ] as const) {
    const given = leafAt(content, [key])
    const value = given?.spelling ?? given?.value
    if (given?.spelling !== undefined)
      warnings.push(
        `${path}: ${key}: is a number, and read as the text that it is written as; put it in quotes`,
      )
    if (typeof value !== 'string' || value === '')
      throw new ConfigError([
        `${path}: ${key}: must be a text; the key file needs service_id and service_key`,
      ])
    pair.set(target, { value, source: path })
  }
  return new Map([['auth', pair]])
}

function keep(file: YamlFile, warnings: string[]): Tree {
  warnings.push(...file.warnings)
  return file.tree
}

function asConfigError(error: unknown, path: string, what: string): ConfigError {
  return error instanceof ConfigError
    ? error
    : new ConfigError([`${path}: ${what}: ${describeSystemError(error)}`])
}
