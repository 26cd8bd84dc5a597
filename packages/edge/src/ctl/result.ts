/** What a command answers: lines for people, the same as JSON for programs, and the status of the process. */
export interface Result {
  readonly status: number
  readonly lines: readonly string[]
  readonly json: unknown
}

/** Says why a command cannot answer; one line for the operator, status 1. */
export class CommandError extends Error {
  override name = 'CommandError'
}
