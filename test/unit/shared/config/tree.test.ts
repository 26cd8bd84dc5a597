import { leafAt, merge, mergeAll, treeOf, type Node, type Tree } from '@wazo-websocketd/shared/config/tree'
import { expect } from 'chai'
import fc from 'fast-check'

/**
 * The rule of the merge, written independently: the text paths of all values, looked up one by one. The value
 * at a path is that of the first source that says anything about the path, unless a source before it has
 * put a value, other than null, at one of the path's own prefixes.
 */
interface Source {
  readonly name: string
  readonly entries: Record<string, unknown>
}

function oracle(sources: readonly Source[], path: readonly string[]): unknown {
  for (const [rank, source] of sources.entries()) {
    const here = at(source.entries, path)
    if (here === undefined) {
      if (blocked(source.entries, path)) return undefined
      continue
    }
    if (isMapping(here)) return undefined // a mapping stands here: no value
    if (
      here === null &&
      sources.slice(rank + 1).some((lower, i) => mappingWins(sources, rank + 1 + i, lower, path))
    )
      return undefined
    return [source.name, here]
  }
  return undefined
}

/** Whether the first lower source that speaks about the path, null aside, has a mapping there. */
function mappingWins(
  sources: readonly Source[],
  rank: number,
  lower: Source,
  path: readonly string[],
): boolean {
  if (!isMapping(at(lower.entries, path))) return false
  for (let i = 0; i < rank; i++) {
    const between = sources[i]!.entries
    const said = at(between, path)
    if ((said !== undefined && said !== null && !isMapping(said)) || blocked(between, path)) return false
  }
  return true
}

/** Whether the source has a value at a proper prefix of the path that is no mapping and not null. */
function blocked(entries: Record<string, unknown>, path: readonly string[]): boolean {
  for (let length = 1; length < path.length; length++) {
    const value = at(entries, path.slice(0, length))
    if (value !== undefined && value !== null && !isMapping(value)) return true
  }
  return false
}

function at(entries: unknown, path: readonly string[]): unknown {
  let value = entries
  for (const key of path) {
    if (!isMapping(value) || !Object.hasOwn(value, key)) return undefined
    value = value[key]
  }
  return value
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function toMaps(value: Record<string, unknown>): Map<string, unknown> {
  return new Map(Object.entries(value).map(([key, child]) => [key, isMapping(child) ? toMaps(child) : child]))
}

const key = fc.constantFrom('bus', 'host', 'port', '__proto__', 'constructor', 'toString')
const scalar = fc.oneof(
  fc.integer(),
  fc.string(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.integer(), { maxLength: 2 }),
)
const { mapping } = fc.letrec<{ node: unknown; mapping: Record<string, unknown> }>((tie) => ({
  node: fc.oneof({ depthSize: 'small', maxDepth: 3 }, scalar, tie('mapping')),
  mapping: fc.array(fc.tuple(key, tie('node')), { maxLength: 4 }).map(own),
}))

/** Own properties only, `__proto__` among them. */
function own(pairs: readonly [string, unknown][]): Record<string, unknown> {
  const object = Object.create(null) as Record<string, unknown>
  for (const [name, value] of pairs) object[name] = value
  return object
}

const KEYS = ['bus', 'host', 'port', '__proto__', 'constructor', 'toString']
const PATHS: readonly (readonly string[])[] = KEYS.flatMap((a) => [
  [a],
  ...KEYS.flatMap((b) => [[a, b], ...KEYS.map((c) => [a, b, c])]),
])

describe('the merge of configuration trees', () => {
  it('gives every path what an independent oracle gives it', () => {
    let found = 0
    fc.assert(
      fc.property(fc.array(mapping, { minLength: 1, maxLength: 4 }), (contents) => {
        const sources = contents.map((entries, i) => ({ name: `source ${i}`, entries }))
        const merged = mergeAll(sources.map(({ name, entries }) => treeOf(toMaps(entries), name)))
        for (const path of PATHS) {
          const leaf = leafAt(merged, path)
          const expected = oracle(sources, path)
          if (expected !== undefined) found++
          expect(leaf === undefined ? undefined : [leaf.source, leaf.value], path.join('.')).to.deep.equal(
            expected,
          )
        }
      }),
      { numRuns: 500 },
    )
    expect(found).to.be.greaterThan(1000)
  })

  it('gives a tree merged with itself that tree', () => {
    fc.assert(
      fc.property(mapping, (entries) => {
        const tree = treeOf(toMaps(entries), 's')
        expect(leaves(merge(tree, tree))).to.deep.equal(leaves(tree))
      }),
      { numRuns: 200 },
    )
  })

  it('merges mappings deeply', () => {
    const high = treeOf(new Map([['bus', new Map([['host', 'a']])]]), 'high')
    const low = treeOf(
      new Map([
        [
          'bus',
          new Map([
            ['host', 'b'],
            ['vhost', 'c'],
          ]),
        ],
      ]),
      'low',
    )
    const merged = merge(high, low)
    expect(leafAt(merged, ['bus', 'host'])).to.deep.equal({ value: 'a', source: 'high' })
    expect(leafAt(merged, ['bus', 'vhost'])).to.deep.equal({ value: 'c', source: 'low' })
  })

  it('lets a section that is left empty hide nothing', () => {
    const high = treeOf(new Map([['bus', null]]), 'high')
    const low = treeOf(new Map([['bus', new Map([['host', 'b']])]]), 'low')
    expect(leafAt(merge(high, low), ['bus', 'host'])?.value).to.equal('b')
  })

  it('lets an explicit null win over a value', () => {
    const high = treeOf(new Map([['log_file', null]]), 'high')
    const low = treeOf(new Map([['log_file', '/var/log/x']]), 'low')
    expect(leafAt(merge(high, low), ['log_file'])).to.deep.equal({ value: null, source: 'high' })
  })

  it('changes neither of the trees it merges', () => {
    const high = treeOf(new Map([['bus', new Map([['host', 'a']])]]), 'high')
    const low = treeOf(new Map([['bus', new Map([['port', 1]])]]), 'low')
    const before = JSON.stringify([leaves(high), leaves(low)])
    merge(high, low)
    expect(JSON.stringify([leaves(high), leaves(low)])).to.equal(before)
  })

  it('leaves the prototype of objects alone', () => {
    const evil = treeOf(new Map([['__proto__', new Map([['polluted', true]])]]), 'evil')
    mergeAll([evil, evil])
    expect(({} as Record<string, unknown>)['polluted']).to.equal(undefined)
  })
})

/** Paths and values in an order that does not depend on insertion. */
function leaves(tree: Tree, path = ''): unknown[] {
  const found: unknown[] = []
  for (const [name, node] of [...tree].sort(([a], [b]) => (a < b ? -1 : 1)))
    found.push(...leavesOf(node, `${path}/${name}`))
  return found
}

function leavesOf(node: Node, path: string): unknown[] {
  return node instanceof Map ? [`${path}/`, ...leaves(node as Tree, path)] : [[path, node]]
}
