/** The configuration cannot be used. Each problem is one line for the operator: where, what, how to mend it. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more: see --check-config)` : ''
    super(`${problems[0] ?? 'unusable configuration'}${more}`)
    this.problems = problems
  }
}

const SHOWN_CHARACTERS_MAX = 60

/** Text from outside without control characters, and not longer than a line bears. */
export function printable(text: string): string {
  const clean = text.replace(/\p{Cc}/gu, '?')
  return clean.length > SHOWN_CHARACTERS_MAX ? `${clean.slice(0, SHOWN_CHARACTERS_MAX)}...` : clean
}
