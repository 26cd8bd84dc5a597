/** What doctor has found, one line each. Pure. */
export type Level = 'ok' | 'warning' | 'error'

export interface Finding {
  readonly level: Level
  /** What was looked at: `redis`, `rabbitmq`. */
  readonly check: string
  readonly what: string
  /** What to do; null: nothing, or `what` says it. */
  readonly remedy: string | null
}

const STATUS: Readonly<Record<Level, number>> = { ok: 0, warning: 1, error: 2 }
const LEVEL_WIDTH = 'warning'.length

export function ok(check: string, what: string): Finding {
  return { level: 'ok', check, what, remedy: null }
}

export function warning(check: string, what: string, remedy: string | null = null): Finding {
  return { level: 'warning', check, what, remedy }
}

export function error(check: string, what: string, remedy: string | null = null): Finding {
  return { level: 'error', check, what, remedy }
}

/** The worst of them: 0 all well, 1 a warning, 2 an error. */
export function exitStatus(findings: readonly Finding[]): number {
  return findings.reduce((worst, { level }) => Math.max(worst, STATUS[level]), 0)
}

export function findingLine({ level, check, what, remedy }: Finding): string {
  return `${level.padEnd(LEVEL_WIDTH)}  ${check}: ${what}${remedy === null ? '' : ` -> ${remedy}`}`
}
