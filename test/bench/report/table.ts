/** Tables, for the console and for Markdown. Pure. */
import type { Figures } from './figures.js'
import { digits } from './statistics.js'
import type { Verdict } from './targets.js'

/** A head and rows of the same length. */
export interface Table {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** Medians of a scenario: a row for each contestant. Columns that nobody has anything in are left out. */
export function scenarioTable(figures: Figures, scenario: string): Table {
  const names = figures.contestants(scenario)
  const measures = figures
    .measures(scenario)
    .filter((measure) => names.some((name) => figures.median(scenario, name, measure) !== 0))
  return {
    head: ['', ...measures],
    rows: names.map((name) => [
      name,
      ...measures.map((measure) => digits(figures.median(scenario, name, measure))),
    ]),
  }
}

/** The points of a curve: a row for each. */
export function curveTable(figures: Figures, curve: string): Table {
  const points = figures.curve(curve)
  const measures = [...new Set(points.flatMap(({ values }) => Object.keys(values)))]
  return {
    head: ['', curve, ...measures],
    rows: points.map(({ contestant, x, values }) => {
      return [contestant, digits(x), ...measures.map((measure) => digits(values[measure] ?? NaN))]
    }),
  }
}

export function targetTable(verdicts: readonly Verdict[]): Table {
  return {
    head: ['target', 'what', 'measured', 'wanted', ''],
    rows: verdicts.map(({ target, what, value, bound, limit, unit, verdict }) => {
      const quantity = (number: number) => `${digits(number)} ${unit}`.trim()
      return [String(target), what, quantity(value), `${bound} ${quantity(limit)}`, verdict]
    }),
  }
}

export function asMarkdown({ head, rows }: Table): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Columns of the width that they need; numbers to the right. */
export function asText({ head, rows }: Table): string {
  const lines = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...lines.map((cells) => (cells[column] ?? '').length)))
  const isNumeric = head.map((_, column) =>
    rows.every((cells) => /^(-|[\d.,]+( \S+)?)?$/.test(cells[column] ?? '')),
  )
  return lines
    .map((cells) => {
      const padded = cells.map((cell, column) => {
        const width = widths[column] ?? 0
        return isNumeric[column] ? cell.padStart(width) : cell.padEnd(width)
      })
      return padded.join('  ').trimEnd()
    })
    .join('\n')
}
