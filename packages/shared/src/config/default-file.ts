/** What `--print-default-config` prints. Pure. */
import { stringify } from 'yaml'
import { resolve } from './resolve.js'

const HEAD = `# Every key of wazo-websocketd-edge and wazo-websocketd-ingest at its default. Only keys that differ are needed.
# docs/reference.md has what each means; docs/config.schema.json is for editors.
`

/** A file that is named has to be there; the defaults of these are looked for only. So they are comments. */
const LOOKED_FOR = /^( *)(key_file|extra_config_files):/gm

/** Returns a configuration file in YAML that sets every key to its default. */
export function defaultConfigFile(): string {
  const file: Record<string, unknown> = {}
  for (const { key, value } of resolve(new Map()).settings.values()) {
    const names = key.split('.')
    const last = names.pop() as string
    let section = file
    for (const name of names) section = (section[name] ??= {}) as Record<string, unknown>
    section[last] = value
  }
  return HEAD + stringify(file).replace(LOOKED_FOR, '$1# $2:')
}
