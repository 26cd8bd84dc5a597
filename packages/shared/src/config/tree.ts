/** The values of one or several sources, before anyone has checked them. Maps, because names come from outside. */

/** A value and who set it. */
export interface Leaf {
  readonly value: unknown
  /** For the operator: a file, `environment NAME`, `command line`. */
  readonly source: string
  /** The value is the text of an environment variable, still to be read as what the key expects. */
  readonly fromText?: boolean
  /** A number or date as it is written in its file: `0123`, whose value is 83. */
  readonly spelling?: string
}

/** Keeps how a scalar of YAML was spelled that may be meant as a text, such as a password of digits. */
export class Spelled {
  readonly value: unknown
  readonly spelling: string

  constructor(value: unknown, spelling: string) {
    this.value = value
    this.spelling = spelling
  }
}

export type Node = Leaf | Tree
export type Tree = ReadonlyMap<string, Node>

export function isTree(node: Node): node is Tree {
  return node instanceof Map
}

/** The tree of a parsed YAML mapping. Mappings become trees; everything else, lists included, is a leaf. */
export function treeOf(mapping: ReadonlyMap<unknown, unknown>, source: string): Tree {
  const tree = new Map<string, Node>()
  for (const [key, value] of mapping)
    tree.set(String(key), value instanceof Map ? treeOf(value, source) : leafOf(value, source))
  return tree
}

function leafOf(value: unknown, source: string): Leaf {
  return value instanceof Spelled
    ? { value: value.value, source, spelling: value.spelling }
    : { value: plain(value), source }
}

/** Without spellings, which nothing asks for inside a list. */
function plain(value: unknown): unknown {
  if (value instanceof Spelled) return value.value
  if (Array.isArray(value)) return value.map(plain)
  return value instanceof Map ? new Map([...value].map(([key, each]) => [key, plain(each)])) : value
}

/**
 * Merges two trees; `high` wins key by key. Mappings merge deeply, and a section that is left empty
 * (`bus:` with every line below it commented out) hides nothing.
 */
export function merge(high: Tree, low: Tree): Tree {
  const merged = new Map(low)
  for (const [key, node] of high) {
    const below = merged.get(key)
    merged.set(key, below === undefined ? node : mergeNodes(node, below))
  }
  return merged
}

function mergeNodes(high: Node, low: Node): Node {
  if (isTree(high)) return isTree(low) ? merge(high, low) : high
  return isTree(low) && high.value === null ? low : high
}

/** Merges any number of trees, the one that wins first. */
export function mergeAll(trees: readonly Tree[]): Tree {
  return trees.reduceRight<Tree>((low, high) => merge(high, low), new Map())
}

/** The leaf at `path`, if there is one. */
export function leafAt(tree: Tree, path: readonly string[]): Leaf | undefined {
  let node: Node | undefined = tree
  for (const key of path) {
    if (node === undefined || !isTree(node)) return undefined
    node = node.get(key)
  }
  return node === undefined || isTree(node) ? undefined : node
}
