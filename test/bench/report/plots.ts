/** The curves as charts. Pure. */
import type { Name } from '../contestants/contestant.js'
import { svg, type Series } from './chart.js'
import type { Figures } from './figures.js'

const CONTESTANTS: readonly string[] = ['ours', 'socket.io', 'F0', 'relay', 'F1'] satisfies Name[]

interface Plot {
  readonly file: string
  readonly title: string
  readonly curve: string
  readonly xTitle: string
  readonly yTitle: string
  readonly measure: string
}

const SESSIONS = { curve: 'sessions', xTitle: 'sessions' }
const EVENTS = { curve: 'events/s', xTitle: 'events per second, each to every client' }
const CPU = { yTitle: 'microseconds', measure: 'server us/delivery' }
const P50 = { yTitle: 'milliseconds', measure: 'p50 ms' }
const P99 = { yTitle: 'milliseconds', measure: 'p99 ms' }
const RABBIT = { yTitle: 'microseconds', measure: 'rabbitmq us/delivery' }
const REDIS = { yTitle: 'microseconds', measure: 'redis us/delivery' }

export const PLOTS: readonly Plot[] = [
  { file: 'sessions-cpu.svg', title: 'Server CPU per delivery', ...SESSIONS, ...CPU },
  { file: 'sessions-p99.svg', title: 'Latency, p99', ...SESSIONS, ...P99 },
  { file: 'sessions-rabbitmq.svg', title: 'RabbitMQ CPU per delivery', ...SESSIONS, ...RABBIT },
  { file: 'sessions-redis.svg', title: 'Redis CPU per delivery', ...SESSIONS, ...REDIS },
  { file: 'events-cpu.svg', title: 'Server CPU per delivery', ...EVENTS, ...CPU },
  { file: 'events-p50.svg', title: 'Latency, p50', ...EVENTS, ...P50 },
  { file: 'events-p99.svg', title: 'Latency, p99', ...EVENTS, ...P99 },
]

/** File name and SVG of each chart that has something to show. */
export function plots(figures: Figures): { file: string; title: string; content: string }[] {
  return PLOTS.flatMap(({ file, title, curve, xTitle, yTitle, measure }) => {
    const series = seriesOf(figures, curve, measure)
    return series.length === 0
      ? []
      : [{ file, title: `${title}, by ${curve}`, content: svg({ title, xTitle, yTitle, series }) }]
  })
}

function seriesOf(figures: Figures, curve: string, measure: string): Series[] {
  const points = figures.curve(curve)
  return [...new Set(points.map(({ contestant }) => contestant))].flatMap((name) => {
    const own = points
      .filter(({ contestant }) => contestant === name)
      .map(({ x, values }) => [x, values[measure] ?? NaN] as const)
      .filter(([, y]) => y > 0)
    return own.length === 0 ? [] : [{ name, colour: CONTESTANTS.indexOf(name), points: own }]
  })
}
