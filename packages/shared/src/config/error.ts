/** Everything that breaks a line, or that a terminal acts on. */
const CONTROL_CHARACTERS = /[\p{Cc}\u2028\u2029]/gu

/**
 * Says why the configuration cannot be used. Each problem is one line for the operator: where, what, how to mend it.
 */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly problems: readonly string[]

  /** Takes control characters out: a problem may quote a file that is not text. */
  constructor(problems: readonly string[]) {
    const lines = problems.map((problem) => problem.replace(CONTROL_CHARACTERS, '?'))
    const more = lines.length > 1 ? ` (and ${lines.length - 1} more: see --check-config)` : ''
    super(`${lines[0] ?? 'unusable configuration'}${more}`)
    this.problems = lines
  }
}

const SHOWN_CHARACTERS_MAX = 60

/** Text from outside without control characters, and not longer than a line bears. */
export function printable(text: string): string {
  const clean = text.replace(/\p{Cc}/gu, '?')
  return clean.length > SHOWN_CHARACTERS_MAX ? `${clean.slice(0, SHOWN_CHARACTERS_MAX)}...` : clean
}
