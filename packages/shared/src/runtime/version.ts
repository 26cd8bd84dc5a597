import { readFileSync } from 'node:fs'

/** The version of this program, from the package's own description. */
export function programVersion(): string {
  const description: unknown = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  const version =
    typeof description === 'object' && description !== null && 'version' in description
      ? description.version
      : undefined
  return typeof version === 'string' ? version : 'unknown'
}
