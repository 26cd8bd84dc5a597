/** From a merged tree to checked values: every key of the schema gets a value, a source or a problem. */
import { z } from 'zod'
import { printable } from './error.js'
import { nearest } from './nearest.js'
import { readLeaf, type Reading } from './reading.js'
import { configSchema, SECRET_KEYS, type Config } from './schema.js'
import { scrub } from '../runtime/scrub.js'
import { isTree, type Leaf, type Node, type Tree } from './tree.js'

/** One effective key. */
export interface Setting {
  /** With dots: `bus.host`. */
  readonly key: string
  readonly value: unknown
  /** A file, `environment NAME`, `command line`, or `defaults`. */
  readonly source: string
}

export interface Resolution {
  /** Meaningful only when there are no problems. */
  readonly config: Config
  readonly settings: ReadonlyMap<string, Setting>
  /** Unknown keys, one line each. */
  readonly unknown: readonly string[]
  /** Values that are not written as their key wants them, and what they are read as; one line each. */
  readonly remarks: readonly string[]
  /** Values that cannot be used, one line each. */
  readonly problems: readonly string[]
}

const DEFAULTS = 'defaults'

/** Checks the tree against the schema; the order of all results is that of the schema. */
export function resolve(tree: Tree): Resolution {
  const settings = new Map<string, Setting>()
  const unknown: string[] = []
  const remarks: string[] = []
  const problems: string[] = []

  function section(schema: z.ZodObject, node: Node | undefined, path: string): Record<string, unknown> {
    const values: Record<string, unknown> = {}
    const given = sectionTree(node, path)
    for (const [key, child] of Object.entries<z.core.$ZodType>(schema.shape)) {
      const childPath = path === '' ? key : `${path}.${key}`
      const childNode = given.get(key)
      const mapping = mappingOf(child, childNode)
      values[key] =
        mapping !== null ? section(mapping, childNode, childPath) : leaf(child, childNode, childPath)
    }
    noteUnknown(given, Object.keys(schema.shape), path)
    return values
  }

  function sectionTree(node: Node | undefined, path: string): Tree {
    if (node === undefined) return new Map()
    if (isTree(node)) return node
    if (node.value !== null)
      problems.push(`${node.source}: ${path}: must be a mapping, not ${describeValue(node, path)}`)
    return new Map()
  }

  function leaf(schema: z.core.$ZodType, node: Node | undefined, path: string): unknown {
    const source = node === undefined ? DEFAULTS : sourceOf(node)
    const { result, remark } = readNode(schema, node, path)
    if (!result.success) {
      const expected = result.error.issues[0]?.message ?? 'a valid value'
      const got = node === undefined || isTree(node) ? 'a mapping' : describeValue(node, path)
      problems.push(`${source}: ${path}: must be ${expected}, not ${got}`)
      return undefined
    }
    if (remark !== null) remarks.push(`${source}: ${path}: ${remark}`)
    settings.set(path, { key: path, value: result.data, source })
    return result.data
  }

  function noteUnknown(given: Tree, known: readonly string[], path: string): void {
    for (const [key, node] of given) {
      if (known.includes(key)) continue
      const guess = nearest(key, known)
      const prefix = path === '' ? '' : `${path}.`
      const hint = guess === null ? '' : ` (did you mean ${prefix}${guess}?)`
      unknown.push(`${sourceOf(node)}: unknown key ${prefix}${printable(key)}${hint}`)
    }
  }

  // Every key of the schema has been parsed by its own part of the schema, or there is a problem.
  const config = section(configSchema, tree, '') as Config
  return { config, settings, unknown, remarks, problems }
}

/** The schema by which a mapping is read: that of a section, or of a key such as `bus.tls` when it is given one. */
function mappingOf(schema: z.core.$ZodType, node: Node | undefined): z.ZodObject | null {
  if (schema instanceof z.ZodObject) return schema
  if (node === undefined || !isTree(node)) return null
  const inner = schema instanceof z.ZodDefault ? schema.unwrap() : schema
  if (!(inner instanceof z.ZodUnion)) return null
  return inner.options.find((option) => option instanceof z.ZodObject) ?? null
}

function readNode(schema: z.core.$ZodType, node: Node | undefined, path: string): Reading {
  if (node !== undefined && !isTree(node)) return readLeaf(schema, node, path)
  return { result: z.safeParse(schema, node), remark: null }
}

/** Who set a node; for a mapping, whoever set the first key in it. */
function sourceOf(node: Node): string {
  if (!isTree(node)) return node.source
  for (const child of node.values()) return sourceOf(child)
  return 'configuration'
}

function describeValue(leaf: Leaf, path: string): string {
  const { value } = leaf
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Map) return 'a mapping'
  if (SECRET_KEYS.has(path) || path === 'redis.url') return `this ${typeof value} (not shown)`
  if (typeof value === 'string') return `"${printable(scrub(value))}"`
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return `${value}`
  return 'this value'
}
