import { nameOf, type Load, type Way } from './plan.js'
import type { Cost } from './track.js'

/** Of all CPU per event, more than the minimal way's. */
const EXTRA_SHARE_MAX = 0.15

type Costs = Partial<Record<Way, Cost[]>>

/** Collects what was measured, prints medians and ratios. */
export class Table {
  private readonly costs = new Map<string, Costs>()
  private readonly extra: { readonly name: string; readonly share: number }[] = []

  add(load: Load, way: Way, cost: Cost): void {
    const name = nameOf(load)
    const costs = this.costs.get(name) ?? {}
    this.costs.set(name, costs)
    ;(costs[way] ??= []).push(cost)
  }

  print(load: Load): void {
    const name = nameOf(load)
    const { ours = [], minimal = [], intake = [] } = this.costs.get(name) ?? {}
    const before = intake.length === 0 ? 0 : median(intake.map(({ publisher }) => publisher))
    console.log(`\n${name}: us of CPU per event, median of ${ours.length} rounds (min-max)`)
    console.log(
      `  ${'way'.padEnd(9)}${['publisher', 'Redis', 'subscriber', 'sum', 'events/s'].map(cell).join('')}`,
    )
    for (const [way, costs] of [
      ['ours', ours],
      ['minimal', minimal],
    ] as const) {
      if (costs.length === 0) continue
      const columns = [
        costs.map((c) => c.publisher),
        costs.map((c) => c.redis),
        costs.map((c) => c.subscriber),
        costs.map(sum),
      ]
      console.log(
        `  ${way.padEnd(9)}${columns.map((values) => cell(spread(values))).join('')}${cell(rate(costs))}`,
      )
    }
    if (ours.length === 0 || minimal.length === 0) return
    const ratio = (of: (cost: Cost) => number, off = 0) =>
      (median(ours.map(of)) - off) / (median(minimal.map(of)) - off)
    const ratios = [ratio((c) => c.publisher), ratio((c) => c.redis), ratio((c) => c.subscriber), ratio(sum)]
    console.log(`  ${'ratio'.padEnd(9)}${ratios.map((value) => cell(value.toFixed(3))).join('')}`)
    const strict = ratio(sum, before)
    console.log(
      `  intake (validate, normalise) is ${before.toFixed(2)} of both publishers; without it: sum x ${strict.toFixed(3)}; ` +
        `the guarantees cost ${(median(ours.map(sum)) - median(minimal.map(sum))).toFixed(2)} us per event`,
    )
    this.extra.push({ name, share: ratio(sum) - 1 })
  }

  /** Whether the aim is met under every load; says where it is not. */
  verdict(): boolean {
    const above = this.extra.filter(({ share }) => share > EXTRA_SHARE_MAX)
    console.log(`\naim: at most ${EXTRA_SHARE_MAX * 100} % more CPU per event than the minimal way`)
    for (const { name, share } of above) console.log(`  missed with ${name}: ${(share * 100).toFixed(1)} %`)
    return above.length === 0
  }
}

function sum({ publisher, redis, subscriber }: Cost): number {
  return publisher + redis + subscriber
}

function rate(costs: readonly Cost[]): string {
  return String(Math.round(median(costs.map(({ perSecond }) => perSecond))))
}

function cell(text: string): string {
  return text.padStart(24)
}

function spread(values: readonly number[]): string {
  return `${median(values).toFixed(2)} (${Math.min(...values).toFixed(1)}-${Math.max(...values).toFixed(1)})`
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
