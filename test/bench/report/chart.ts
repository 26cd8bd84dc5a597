/** Line charts with logarithmic axes, as SVG. Pure. */

export interface Series {
  readonly name: string
  /** Number of its colour, so that it has the same one in all charts; its place in the chart unless given. */
  readonly colour?: number
  /** x and y above 0; others cannot be shown. */
  readonly points: readonly (readonly [number, number])[]
}

export interface Chart {
  readonly title: string
  readonly xTitle: string
  readonly yTitle: string
  readonly series: readonly Series[]
}

const WIDTH = 720
const HEIGHT = 420
const LEFT = 70
const RIGHT = 130
const TOP = 44
const BOTTOM = 56
/** Can be told apart by those who see red and green alike. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9']
const TICKS = [1, 2, 5]

/** Where a value stands on an axis from `from` to `to`, whose values reach from `min` to `max`. */
function scale(min: number, max: number, from: number, to: number): (value: number) => number {
  const [low, high] = [Math.log10(min), Math.log10(max)]
  return (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from)
}

/** The 1-2-5 numbers that enclose the values: the first and the last are the axis's ends. */
export function ticksOf(values: readonly number[]): number[] {
  const min = Math.min(...values)
  const max = Math.max(...values)
  const all: number[] = []
  for (let power = Math.floor(Math.log10(min)) - 1; power <= Math.ceil(Math.log10(max)) + 1; power++)
    for (const digit of TICKS) all.push(Number((digit * 10 ** power).toPrecision(1)))
  const first = all.findLastIndex((tick) => tick <= min)
  const last = all.findIndex((tick) => tick >= max)
  return all.slice(first, first === last ? last + 2 : last + 1)
}

/** The chart as an SVG document. */
export function svg({ title, xTitle, yTitle, series }: Chart): string {
  const shown = series.map(({ name, colour, points }, i) => ({
    name,
    colour: COLOURS[(colour ?? i) % COLOURS.length]!,
    points: points.filter(([x, y]) => x > 0 && y > 0),
  }))
  const all = shown.flatMap(({ points }) => points)
  if (all.length === 0)
    return document([text(WIDTH / 2, HEIGHT / 2, 'nothing was measured', 'middle')], title)
  const [xTicks, yTicks] = [ticksOf(all.map(([x]) => x)), ticksOf(all.map(([, y]) => y))]
  const x = scale(xTicks[0]!, xTicks.at(-1)!, LEFT, WIDTH - RIGHT)
  const y = scale(yTicks[0]!, yTicks.at(-1)!, HEIGHT - BOTTOM, TOP)
  const parts = [
    ...xTicks.flatMap((tick) => [
      line(x(tick), TOP, x(tick), HEIGHT - BOTTOM),
      text(x(tick), HEIGHT - BOTTOM + 18, label(tick), 'middle'),
    ]),
    ...yTicks.flatMap((tick) => [
      line(LEFT, y(tick), WIDTH - RIGHT, y(tick)),
      text(LEFT - 8, y(tick) + 4, label(tick), 'end'),
    ]),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, xTitle, 'middle'),
    `<text transform="rotate(-90)" x="${-(TOP + HEIGHT - BOTTOM) / 2}" y="18" text-anchor="middle">${escape(yTitle)}</text>`,
  ]
  shown.forEach(({ name, colour, points }, i) => {
    const path = points.map(([px, py]) => `${round(x(px))},${round(y(py))}`)
    parts.push(`<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`)
    for (const [px, py] of points)
      parts.push(`<circle cx="${round(x(px))}" cy="${round(y(py))}" r="3" fill="${colour}"/>`)
    const at = TOP + 14 + i * 20
    parts.push(`<rect x="${WIDTH - RIGHT + 14}" y="${at - 9}" width="12" height="12" fill="${colour}"/>`)
    parts.push(text(WIDTH - RIGHT + 32, at + 2, name, 'start'))
  })
  return document(parts, title)
}

function document(parts: readonly string[], title: string): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="24" font-size="15" font-weight="bold">${escape(title)}</text>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="#dddddd"/>`
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escape(content)}</text>`
}

function label(tick: number): string {
  return tick >= 1_000 ? `${tick / 1_000}k` : String(tick)
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
