import { readFileSync } from 'node:fs'
import {
  isScalar,
  isPair,
  parseDocument,
  visit,
  type CollectionTag,
  type ParseOptions,
  type ScalarTag,
  type SchemaOptions,
  type Tags,
} from 'yaml'
import { ConfigError, printable } from './error.js'
import { Spelled, treeOf, type Tree } from './tree.js'

export interface YamlFile {
  readonly tree: Tree
  readonly warnings: readonly string[]
}

const ALIASES_MAX = 100
/** Brackets, or items of lists in one line, within each other. The parser calls itself for each: some thousands abort the process. */
const NESTING_MAX = 500
const ITEMS_IN_ONE_LINE = new RegExp(`(?:[-?][ \\t]+){${NESTING_MAX}}`)
const YAML_TAG =
  /^tag:yaml\.org,2002:(?:str|int|float|bool|null|map|seq|binary|timestamp|set|omap|pairs|merge)$/
/** The tag that says that there is none. */
const NO_TAG = '!'

/** The dialect of PyYAML: YAML 1.1, but a single `y` or `n` is a text. */
const DIALECT: ParseOptions & SchemaOptions & { readonly version: '1.1' } = {
  version: '1.1',
  customTags: (tags: Tags) =>
    tags.map((tag) => {
      if (typeof tag === 'string' || tag.tag !== 'tag:yaml.org,2002:bool' || !isScalarTag(tag)) return tag
      return tag.test === undefined
        ? tag
        : { ...tag, test: new RegExp(tag.test.source.replace(/[YN]\|[yn]\|/, '')) }
    }),
}

function isScalarTag(tag: ScalarTag | CollectionTag): tag is ScalarTag {
  return tag.collection === undefined
}

/**
 * Reads a YAML mapping as the incumbent does: YAML 1.1 (`yes` is true), a repeated key's last value wins.
 * An empty file is an empty mapping.
 * @throws the error of the system when the file cannot be read; ConfigError, naming the line, when it is no YAML mapping.
 */
export function readYamlFile(path: string): YamlFile {
  return parseYaml(readFileSync(path, 'utf8'), path)
}

/** The same for a text; `source` stands for it in errors and reports. */
export function parseYaml(text: string, source: string): YamlFile {
  if (isTooDeep(text)) throw new ConfigError([`${source}: not valid YAML: more than ${NESTING_MAX} levels`])
  const document = parseDocument(text, DIALECT)
  const warnings: string[] = []
  for (const error of document.errors) {
    const line = error.linePos?.[0].line ?? 1
    if (error.code === 'DUPLICATE_KEY') {
      warnings.push(`${source}: line ${line}: repeats a key; its last value counts`)
      continue
    }
    const what = error.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? error.code
    throw new ConfigError([`${source}: line ${line}: not valid YAML: ${what}`])
  }
  const tagged = foreignTag(document)
  if (tagged !== null) throw new ConfigError([`${source}: ${tagged}`])
  keepSpellings(document)
  const root = toValue(document, source)
  if (root === null) return { tree: new Map(), warnings }
  if (!(root instanceof Map)) throw new ConfigError([`${source}: must be a mapping of keys to values`])
  return { tree: treeOf(root, source), warnings }
}

/** Counts brackets wherever they stand: no text of a configuration leaves so many open. */
function isTooDeep(text: string): boolean {
  let depth = 0
  for (const character of text) {
    if (character === '[' || character === '{') depth++
    else if (depth > 0 && (character === ']' || character === '}')) depth--
    if (depth > NESTING_MAX) return true
  }
  return ITEMS_IN_ONE_LINE.test(text)
}

/** A tag such as `!exec` or `!include` would have to be carried out: a line that says where the first one is; null: none. */
function foreignTag(document: ReturnType<typeof parseDocument>): string | null {
  let found: string | null = null
  visit(document, {
    Value(_, { tag }, path) {
      if (tag === undefined || tag === NO_TAG || YAML_TAG.test(tag)) return undefined
      const keys = path.flatMap((each) =>
        isPair(each) && isScalar(each.key) ? [String(each.key.value)] : [],
      )
      const key = keys.length === 0 ? '' : `${printable(keys.join('.'))}: `
      const shown = printable(tag.replace('tag:yaml.org,2002:', '!!'))
      found = `${key}the tag ${shown} is not supported; write the value itself`
      return visit.BREAK
    },
  })
  return found
}

/** Lets numbers and dates of the document keep how they are written. */
function keepSpellings(document: ReturnType<typeof parseDocument>): void {
  visit(document, {
    Scalar(position, node) {
      const { value, source } = node
      const isNumber = typeof value === 'number' || typeof value === 'bigint' || value instanceof Date
      if (position !== 'key' && isNumber && source !== undefined) node.value = new Spelled(value, source)
    },
  })
}

function toValue(document: ReturnType<typeof parseDocument>, source: string): unknown {
  try {
    return document.toJS({ mapAsMap: true, maxAliasCount: ALIASES_MAX })
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    throw new ConfigError([`${source}: not valid YAML: ${what}`])
  }
}

/** Reads one scalar or list as YAML would; undefined when it is no YAML, or has a tag that is not supported. */
export function parseYamlValue(text: string): unknown {
  if (isTooDeep(text)) return undefined
  const document = parseDocument(text, DIALECT)
  return document.errors.length > 0 || foreignTag(document) !== null ? undefined : toValue(document, 'value')
}
