/** The aims, and whether they are met. Pure. */
import type { Figures } from './figures.js'

/** One thing that a target asks for. */
export interface Criterion {
  /** Of the list in docs/benchmarks. */
  readonly target: number
  readonly what: string
  /** What it rests on. */
  readonly scenarios: readonly string[]
  readonly bound: 'at most' | 'at least' | 'exactly'
  readonly limit: number
  readonly unit: string
  readonly value: (figures: Figures) => number
}

export interface Verdict {
  readonly target: number
  readonly what: string
  readonly bound: Criterion['bound']
  readonly limit: number
  readonly unit: string
  readonly value: number
  /** `not measured`: another choice of scenarios. `invalid`: what it rests on says nothing. */
  readonly verdict: 'met' | 'missed' | 'not measured' | 'invalid'
}

const SERVER = 'server us/delivery'
const PER_SERVER = 'deliveries per server CPU second'
const PER_BOTH = 'deliveries per server and feed CPU second'
const EVENT = 'server us/event without idle'
const MEMORY = 'KiB per session'

/** The measure of one contestant over that of another. */
function ratio(scenario: string, measure: string, one: string, other: string, otherMeasure = measure) {
  return (f: Figures) => f.median(scenario, one, measure) / f.median(scenario, other, otherMeasure)
}

/** The largest change of a count of the broker's, over numbers of sessions. */
function brokerGrowth(figures: Figures): number {
  const at = figures.contestants('broker')
  if (at.length < 2) return NaN
  const growth = figures.measures('broker').map((measure) => {
    const counts = at.map((sessions) => figures.median('broker', sessions, measure))
    return Math.max(...counts) - Math.min(...counts)
  })
  return Math.max(...growth)
}

type Rest = Pick<Criterion, 'scenarios' | 'unit'>

function criteria(
  target: number,
  rest: Rest,
  ...each: Omit<Criterion, 'target' | keyof Rest>[]
): Criterion[] {
  return each.map((criterion) => ({ target, ...rest, ...criterion }))
}

/** The scenario in which ours has half the load that the slower one of it and `other` sustains. */
export function latencyBeside(other: 'relay' | 'socket.io'): string {
  return `latency beside ${other}`
}

function latencyCriteria(
  other: 'relay' | 'socket.io',
  called: string,
  p50Max: number,
  p99Max: number,
): Criterion[] {
  const scenario = latencyBeside(other)
  const each = (measure: string, limit: number) => ({
    what: `latency ${measure} at half load, of ${called}`,
    bound: 'at most' as const,
    limit,
    value: ratio(scenario, `${measure} ms`, 'ours', other),
  })
  return criteria(7, { scenarios: [scenario], unit: 'x' }, each('p50', p50Max), each('p99', p99Max))
}

export const CRITERIA: readonly Criterion[] = [
  ...criteria(
    1,
    { scenarios: ['singles'], unit: 'x' },
    {
      what: 'single events: CPU of the edge per delivery, of F0',
      bound: 'at most',
      limit: 1.15,
      value: ratio('singles', SERVER, 'ours', 'F0'),
    },
  ),
  ...criteria(
    2,
    { scenarios: ['bursts'], unit: 'x' },
    {
      what: 'bursts: deliveries per second of edge CPU, of F0',
      bound: 'at least',
      limit: 8,
      value: ratio('bursts', PER_SERVER, 'ours', 'F0'),
    },
    {
      what: "bursts: the same, of Socket.IO's servers and feed",
      bound: 'at least',
      limit: 10,
      value: ratio('bursts', PER_SERVER, 'ours', 'socket.io', PER_BOTH),
    },
    {
      what: 'bursts: CPU of edge and ingest, of F0',
      bound: 'at least',
      limit: 6,
      value: ratio('bursts', PER_BOTH, 'ours', 'F0'),
    },
  ),
  ...criteria(
    3,
    { scenarios: ['one user', 'idle'], unit: 'x' },
    {
      what: 'an event for one user: CPU of the edge with many sessions, of that with few',
      bound: 'at most',
      limit: 1.2,
      value: ratio('one user', EVENT, 'large', 'small'),
    },
  ),
  ...criteria(
    4,
    { scenarios: ['ACL decisions'], unit: '' },
    {
      what: 'ACL: evaluations besides one per distinct (class, required_acl) and worker',
      bound: 'exactly',
      limit: 0,
      value: (f) =>
        f.median('ACL decisions', 'ours', 'evaluations') - f.median('ACL decisions', 'ours', 'expected'),
    },
  ),
  ...criteria(
    4,
    { scenarios: ['ACL'], unit: 'x' },
    {
      what: 'ACL: CPU of the edge per delivery, of that without required_acl',
      bound: 'at most',
      limit: 1.05,
      value: ratio('ACL', SERVER, 'required_acl', 'null'),
    },
  ),
  ...criteria(
    5,
    { scenarios: ['memory'], unit: 'x' },
    {
      what: 'memory of a session, of a bare ws connection',
      bound: 'at most',
      limit: 1.5,
      value: ratio('memory', MEMORY, 'ours', 'F0'),
    },
  ),
  ...criteria(
    6,
    { scenarios: ['idle'], unit: 'us/s' },
    {
      what: 'CPU of an idle session',
      bound: 'at most',
      limit: 2.5,
      value: (f) => f.median('idle', 'difference', 'server us/s per session'),
    },
  ),
  ...latencyCriteria('relay', 'the relay', 1.25, 2),
  ...latencyCriteria('socket.io', 'Socket.IO', 0.5, 0.5),
  ...criteria(
    8,
    { scenarios: ['storm'], unit: 'x' },
    {
      what: "connect storm: clients admitted per second, of F0's",
      bound: 'at least',
      limit: 0.8,
      value: ratio('storm', 'admitted/s', 'ours', 'F0'),
    },
    {
      what: 'connect storm: look-ups at wazo-auth, of tokens x workers',
      bound: 'at most',
      limit: 1,
      value: (f) =>
        Math.max(...f.all('storm', 'ours', 'lookups')) / f.median('storm', 'ours', 'tokens x workers'),
    },
  ),
  ...criteria(
    9,
    { scenarios: ['ingest'], unit: 'x' },
    {
      what: "ingest: messages per second, of the idle consumer's",
      bound: 'at least',
      limit: 0.85,
      value: ratio('ingest', 'messages/s', 'ours', 'consumer'),
    },
  ),
  ...criteria(
    9,
    { scenarios: ['broker'], unit: '' },
    {
      what: 'queues, channels, bindings that more sessions bring',
      bound: 'exactly',
      limit: 0,
      value: brokerGrowth,
    },
  ),
  ...criteria(
    10,
    { scenarios: ['expiry'], unit: 'x' },
    {
      what: "token expiry: jobs added per second, of BullMQ's own addBulk in one call",
      bound: 'at least',
      limit: 0.85,
      value: (f) => f.median('expiry', 'ours', 'throughput vs addBulk, one call'),
    },
    {
      what: 'token expiry: jobs per token',
      bound: 'at most',
      limit: 1,
      value: (f) => f.median('expiry', 'ours', 'jobs per token'),
    },
  ),
  ...criteria(
    10,
    { scenarios: ['expiry lateness'], unit: 'ms' },
    {
      what: 'token expiry: jobs told late, p99',
      bound: 'at most',
      limit: 1_000,
      value: (f) => f.median('expiry lateness', 'ours', 'p99 ms'),
    },
  ),
]

export function judge(figures: Figures): Verdict[] {
  return CRITERIA.map(({ target, what, scenarios, bound, limit, unit, value: measure }) => {
    const value = measure(figures)
    const common = { target, what, bound, limit, unit, value }
    if (scenarios.some((scenario) => figures.invalid(scenario).length > 0))
      return { ...common, verdict: 'invalid' }
    if (!Number.isFinite(value)) return { ...common, verdict: 'not measured' }
    return { ...common, verdict: within(value, bound, limit) ? 'met' : 'missed' }
  })
}

function within(value: number, bound: Criterion['bound'], limit: number): boolean {
  if (bound === 'exactly') return value === limit
  return bound === 'at most' ? value <= limit : value >= limit
}
