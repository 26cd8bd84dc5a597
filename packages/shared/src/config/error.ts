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
