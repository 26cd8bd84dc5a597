/** How the value of one key is read: as the schema wants it, or as the older server understands it. */
import { existsSync } from 'node:fs'
import { z } from 'zod'
import { DIGITS_AS_TEXT_KEYS, LISTEN_KEYS, SECRET_KEYS } from './schema.js'
import type { Leaf } from './tree.js'
import { FLAG_WORDS } from './values.js'
import { parseYamlValue } from './yaml-file.js'

export interface Reading {
  readonly result: z.ZodSafeParseResult<unknown>
  /** What an operator should write instead; null: nothing. */
  readonly remark: string | null
}

const DECIMAL = /^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*$/
/** Exists where the kernel speaks IPv6. */
const IPV6 = '/proc/self/net/if_inet6'

/** Reads the leaf that `path` (`bus.host`) is set to. */
export function readLeaf(schema: z.core.$ZodType, leaf: Leaf, path: string): Reading {
  if (leaf.fromText === true) return { result: readText(schema, String(leaf.value), path), remark: null }
  const strict = z.safeParse(schema, leaf.value)
  if (strict.success) return { result: strict, remark: null }
  const loose = readLoosely(schema, leaf, path)
  return loose === null
    ? { result: strict, remark: null }
    : { result: loose, remark: remarkOn(leaf, loose.data, path) }
}

/**
 * Reads the text of an environment variable as what the key expects: as it stands where a text is expected
 * (so that a password of digits stays one), else as YAML, else as a list with commas. Where null is allowed,
 * an empty text and `null` mean null.
 */
function readText(schema: z.core.$ZodType, text: string, path: string): z.ZodSafeParseResult<unknown> {
  const none = text === '' || text === 'null' ? z.safeParse(schema, null) : undefined
  if (none?.success === true) return none
  const plain = z.safeParse(schema, text)
  if (plain.success) return plain
  const yaml = z.safeParse(schema, parseYamlValue(text) ?? text)
  if (yaml.success) return yaml
  const loose = readLoosely(schema, { value: text, source: '' }, path)
  if (loose !== null) return loose
  const list = z.safeParse(
    schema,
    text.split(',').map((item) => item.trim()),
  )
  return list.success ? list : plain
}

/** The first meaning of a value that the schema refuses, but takes in another form; null: none. */
function readLoosely(
  schema: z.core.$ZodType,
  leaf: Leaf,
  path: string,
): z.ZodSafeParseSuccess<unknown> | null {
  for (const meaning of meanings(leaf, path)) {
    const result = z.safeParse(schema, meaning)
    if (result.success) return result
  }
  return null
}

function meanings({ value, spelling }: Leaf, path: string): readonly unknown[] {
  if (value === null || value === '') {
    if (LISTEN_KEYS.has(path)) return [everyAddress()]
    return path === 'bus.vhost' ? ['/'] : [null]
  }
  if (typeof value === 'string')
    return [FLAG_WORDS.get(value.toLowerCase()), ...(DECIMAL.test(value) ? [Number(value)] : [])].filter(
      (meaning) => meaning !== undefined,
    )
  if (spelling !== undefined && DIGITS_AS_TEXT_KEYS.has(path)) return [spelling]
  return value === 0 || value === 1 ? [value === 1] : []
}

/** All addresses of both families, where the machine has both. */
function everyAddress(): string {
  return existsSync(IPV6) ? '::' : '0.0.0.0'
}

function remarkOn({ value, spelling }: Leaf, read: unknown, path: string): string {
  if (spelling !== undefined && typeof read === 'string')
    return 'is a number, and read as the text that it is written as; put it in quotes'
  const shown = SECRET_KEYS.has(path) ? 'this value' : JSON.stringify(value)
  const meaning = LISTEN_KEYS.has(path) ? ' (every address of this machine)' : ''
  return `${shown} is read as ${JSON.stringify(read)}${meaning}; write that instead`
}
