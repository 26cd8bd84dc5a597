/** The configuration as both programs read it on this machine. */
import type { Program } from '@wazo-websocketd/shared/config/checks'
import {
  loadConfig,
  readConfig,
  type ConfigReading,
  type ConfigSources,
} from '@wazo-websocketd/shared/config/load'
import { ConfigError } from '@wazo-websocketd/shared/config/error'
import { startChecks } from '@wazo-websocketd/shared/config/start-checks'
import { error, ok, warning, type Finding } from '../finding.js'

const CHECK = 'configuration'
const PROGRAMS: readonly Program[] = ['wazo-websocketd-edge', 'wazo-websocketd-ingest']

/**
 * Checks what `--check-config` checks, for edge and ingest. Where a start as root would become another user, this process
 * becomes it, too: this is the last check.
 */
export function checkConfig(sources: Omit<ConfigSources, 'program'>): readonly Finding[] {
  const problems = new Set<string>()
  const warnings = new Set<string>()
  for (const program of PROGRAMS) {
    const all = { ...sources, program }
    const found = findingsOf(all)
    for (const line of found.problems) problems.add(line)
    for (const line of found.warnings) warnings.add(line)
  }
  const findings = [
    ...[...problems].map((line) => error(CHECK, line)),
    ...[...warnings].map((line) => warning(CHECK, line)),
  ]
  return findings.length > 0 ? findings : [ok(CHECK, 'edge and ingest would start with it')]
}

function findingsOf(sources: ConfigSources): Pick<ConfigReading, 'problems' | 'warnings'> {
  let reading: ConfigReading
  try {
    reading = readConfig(sources)
  } catch (thrown) {
    if (thrown instanceof ConfigError) return { problems: thrown.problems, warnings: [] }
    throw thrown
  }
  if (reading.problems.length > 0) return reading
  const { program } = sources
  const { problems, warnings } = startChecks({ program, reading, readAgain: () => loadConfig(sources) })
  return { problems, warnings: [...reading.warnings, ...warnings] }
}

/** Where the credentials for wazo-auth come from. */
export function checkKeyFile({ settings, config }: Pick<ConfigReading, 'settings' | 'config'>): Finding {
  const { username, password, key_file: file } = config.auth
  const source = settings.get('auth.username')?.source ?? 'configuration'
  return username === null || password === null
    ? error(
        'key file',
        `no credentials for wazo-auth${file === null ? '' : `: ${file} is missing or was not read`}`,
        'set auth.key_file, or auth.username and auth.password',
      )
    : ok('key file', `user ${username} of wazo-auth, from ${source}`)
}

/**
 * Whether this Wazo's uuid is set. `ofIngest`: that of the ingest that runs here, whose environment is not this shell's;
 * undefined: none runs here.
 */
export function checkUuid(uuid: string | null, ofIngest: string | null | undefined): Finding {
  const inForce = ofIngest === undefined ? uuid : ofIngest
  return inForce === null
    ? warning(
        'uuid',
        'not set: events of every Wazo on this bus are delivered',
        "set XIVO_UUID, as for Wazo's daemons, or the key uuid",
      )
    : ok('uuid', inForce)
}
