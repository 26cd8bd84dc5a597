import type { Evidence } from './evidence.js'
import type { Head, LoggedBatch, Violation } from './history.js'

/** I6: the batches of an epoch cover every offset up to head, and hold every event of the bus that is one. */
export function checkCoverage(evidence: Evidence): Violation[] {
  const { batches, heads } = evidence.history
  return [...groups(batches)].flatMap(([name, group]) => {
    const [{ epoch, partition = 0 }] = group as [LoggedBatch]
    const own = heads.filter((head) => head.epoch === epoch && (head.partition ?? 0) === partition)
    const covered = cover(group)
    const top = own.reduce((high, { head }) => Math.max(high, head), -1)
    const violations = covered.holes.map(({ from, to }) =>
      found('I6', `${name}: no batch covers the offsets above ${from} up to ${to}`),
    )
    if (top > covered.to)
      violations.push(found('I6', `${name}: head is ${top}, but the batches end with ${covered.to}`))
    return [...violations, ...compare(name, group, partition, covered, evidence)]
  })
}

/** I7: within an epoch and a life of Redis head never falls, and an offset always means the same event. */
export function checkHeads(evidence: Evidence): Violation[] {
  const { heads, batches } = evidence.history
  const violations: Violation[] = []
  const last = new Map<number, Head>()
  for (const head of heads) {
    const before = last.get(head.partition ?? 0)
    if (before?.epoch === head.epoch && before.life === head.life && head.head < before.head)
      violations.push(
        found('I7', `${head.epoch}: head fell from ${before.head} to ${head.head}, Redis lost nothing`),
      )
    last.set(head.partition ?? 0, head)
  }
  for (const [name, group] of groups(batches)) {
    const numbered = new Map<number, number>()
    for (const [offset, id] of group.flatMap(({ events }) => events)) {
      const known = numbered.get(offset)
      if (known !== undefined && known !== id)
        violations.push(found('I7', `${name}: offset ${offset} was event ${known}, and then ${id}`))
      numbered.set(offset, id)
    }
  }
  return violations
}

interface Cover {
  readonly from: number
  readonly to: number
  readonly holes: readonly { readonly from: number; readonly to: number }[]
}

function cover(batches: readonly LoggedBatch[]): Cover {
  const sorted = batches.toSorted((a, b) => a.prev - b.prev || a.last - b.last)
  const from = sorted[0]!.prev
  let to = from
  const holes = []
  for (const { prev, last } of sorted) {
    if (prev > to) holes.push({ from: to, to: prev })
    to = Math.max(to, last)
  }
  return { from, to, holes }
}

/** What the bus had in the range of an epoch's batches, and what they hold. */
function compare(
  name: string,
  batches: readonly LoggedBatch[],
  partition: number,
  { from, to }: Cover,
  evidence: Evidence,
): Violation[] {
  const violations: Violation[] = []
  const { stream, shapes } = evidence.history
  const logged = new Map(batches.flatMap(({ events }) => events))
  for (const { offset, id } of stream) {
    const event = evidence.at(id)
    if (offset <= from || offset > to || event === undefined) continue
    if (event.partition !== partition) continue
    const isPoison = shapes[event.shape]?.poison === true
    const held = logged.get(offset)
    if (isPoison && held !== undefined)
      violations.push(found('I6', `${name}: event ${id} at ${offset} had to be dropped`))
    if (!isPoison && held === undefined)
      violations.push(found('I6', `${name}: event ${id} at ${offset} is in no batch`))
    if (!isPoison && held !== undefined && held !== id)
      violations.push(found('I7', `${name}: offset ${offset} is event ${id} on the bus, ${held} in Redis`))
  }
  return violations
}

function groups(batches: readonly LoggedBatch[]): Map<string, LoggedBatch[]> {
  const groups = new Map<string, LoggedBatch[]>()
  for (const batch of batches) {
    const name = `epoch ${batch.epoch}, partition ${batch.partition ?? 0}`
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [batch])
    else group.push(batch)
  }
  return groups
}

function found(invariant: 'I6' | 'I7', what: string): Violation {
  return { invariant, what }
}
