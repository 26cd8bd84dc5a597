/** The panels of a dashboard as SVG, of what Prometheus has answered. */
import type { Panel } from '../support/dashboard.js'
import { withUnit } from './units.js'

export interface Line {
  readonly name: string
  readonly points: readonly (readonly [number, number])[]
}

/** Seconds of Unix time. */
export interface Span {
  readonly from: number
  readonly to: number
}

const COLOURS = ['#7eb26d', '#eab839', '#6ed0e0', '#ef843c', '#e24d42', '#1f78c1', '#ba43a9', '#705da0']
const MARGIN = { left: 58, right: 10, top: 30, bottom: 20 }
const LEGEND_PX = 14
const TITLE_CHARACTER_PX = 8
const LEGEND_LINES_MAX = 4
const TICKS = 4

interface Frame {
  readonly width: number
  readonly height: number
}

/** @param legend of the target, with `{{label}}`. */
export function nameOf(legend: string, labels: Readonly<Record<string, string>>): string {
  return legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? '')
}

export function drawPanel(
  { title, type, fieldConfig }: Panel,
  lines: Line[],
  span: Span,
  frame: Frame,
): string {
  const unit = fieldConfig?.defaults?.unit
  const heading = text(10, 19, title, title.length * TITLE_CHARACTER_PX > frame.width ? 'long' : 'title')
  if (type === 'stat') return heading + stat(lines, unit, frame)
  if (type === 'heatmap') return heading + heatmap(lines, span, frame)
  return heading + chart(lines, unit, span, frame)
}

function stat(lines: Line[], unit: string | undefined, { width, height }: Frame): string {
  const last = lines[0]?.points.at(-1)?.[1]
  return text(width / 2, height / 2 + 22, last === undefined ? 'no data' : withUnit(last, unit), 'stat')
}

function chart(all: Line[], unit: string | undefined, span: Span, { width, height }: Frame): string {
  // Those with the most to show come first, and those of zeros are on the axis.
  const lines = [...all].sort((a, b) => highest(b) - highest(a))
  const named = lines.slice(0, LEGEND_LINES_MAX)
  const legendPx = LEGEND_PX * named.length + (lines.length > named.length ? LEGEND_PX : 0)
  const bottom = height - MARGIN.bottom - legendPx
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite)
  const top = Math.max(...values, 0) * 1.1 || 1
  const x = across(span, width)
  const y = (value: number) => bottom - (value / top) * (bottom - MARGIN.top)
  const ticks = Array.from({ length: TICKS + 1 }, (_, i) => (top * i) / TICKS)
  return [
    ...ticks.map(
      (value) =>
        rule(x(span.from), y(value), x(span.to)) +
        text(MARGIN.left - 5, y(value) + 4, withUnit(value, unit), 'tick'),
    ),
    times(span, x, bottom + 14),
    ...lines.map(({ points }, i) => path(points, x, y, colour(i))),
    ...named.map(({ name }, i) => legend(name, bottom + 30 + LEGEND_PX * i, colour(i))),
    lines.length > named.length
      ? text(
          MARGIN.left,
          bottom + 34 + LEGEND_PX * named.length,
          `and ${lines.length - named.length} more`,
          'name',
        )
      : '',
    values.length === 0 ? text(width / 2, height / 2, 'no data', 'name') : '',
  ].join('')
}

function highest({ points }: Line): number {
  return Math.max(...points.map(([, value]) => value).filter(Number.isFinite), 0)
}

/** Of cumulated buckets, each line one bound. */
function heatmap(lines: Line[], span: Span, { width, height }: Frame): string {
  const rows = lines.filter(({ name }) => name !== '+Inf').sort((a, b) => Number(a.name) - Number(b.name))
  const counts = rows.map(({ points }, row) => {
    const below = new Map(rows[row - 1]?.points ?? [])
    return points.map(([at, value]) => [at, Math.max(0, value - (below.get(at) ?? 0))] as const)
  })
  const most = Math.max(1e-9, ...counts.flatMap((points) => points.map(([, count]) => count)))
  const x = across(span, width)
  const bottom = height - MARGIN.bottom
  const rowPx = (bottom - MARGIN.top) / Math.max(1, rows.length)
  const cells = counts.flatMap((points, row) =>
    points.map(([at, count], i) => {
      if (count <= 0) return ''
      const w = i === 0 ? 0 : x(at) - x(points[i - 1]![0])
      const y = bottom - (row + 1) * rowPx
      return `<rect x="${x(at) - w}" y="${y}" width="${w + 0.5}" height="${rowPx}" fill="#ff9830" opacity="${0.1 + (0.9 * count) / most}"/>`
    }),
  )
  const names = rows.map(({ name }, row) =>
    row % 2 === 0
      ? text(MARGIN.left - 5, bottom - row * rowPx - rowPx / 2 + 4, withUnit(Number(name), 's'), 'tick')
      : '',
  )
  return [...cells, ...names, times(span, x, bottom + 14)].join('')
}

function across({ from, to }: Span, width: number): (at: number) => number {
  return (at) => MARGIN.left + ((at - from) / (to - from)) * (width - MARGIN.left - MARGIN.right)
}

function path(
  points: Line['points'],
  x: (at: number) => number,
  y: (value: number) => number,
  stroke: string,
): string {
  const drawn = points.filter(([, value]) => Number.isFinite(value))
  const steps = drawn.map(
    ([at, value], i) => `${i === 0 ? 'M' : 'L'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`,
  )
  return `<path d="${steps.join('')}" fill="none" stroke="${stroke}" stroke-width="1.5"/>`
}

function times({ from, to }: Span, x: (at: number) => number, y: number): string {
  return [0, 0.5, 1]
    .map((share) => {
      const at = from + share * (to - from)
      return text(x(at) - 12 * share * 2, y, new Date(at * 1000).toISOString().slice(11, 19), 'time')
    })
    .join('')
}

function legend(name: string, y: number, stroke: string): string {
  return `<rect x="${MARGIN.left}" y="${y - 3}" width="12" height="3" fill="${stroke}"/>${text(MARGIN.left + 18, y + 2, name, 'name')}`
}

function rule(from: number, y: number, to: number): string {
  return `<line x1="${from}" y1="${y}" x2="${to}" y2="${y}" stroke="#2c3235"/>`
}

function colour(i: number): string {
  return COLOURS[i % COLOURS.length]!
}

function text(x: number, y: number, content: string, kind: string): string {
  return `<text class="${kind}" x="${x}" y="${y}">${content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`
}
