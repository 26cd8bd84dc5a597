/** Every key of the configuration, as the code that reads it answers for it. */
import { generationOf } from '@wazo-websocketd/edge/config/load'
import { environmentTree } from '@wazo-websocketd/shared/config/environment'
import { resolve } from '@wazo-websocketd/shared/config/resolve'
import { leafAt, type Node, type Tree } from '@wazo-websocketd/shared/config/tree'
import { schemaComments } from './comments.js'
import { COMMENT, NOTES, PROGRAMS, type ProgramName } from './notes.js'

export interface KeyRow {
  /** `bus.host`. */
  readonly key: string
  readonly variable: string
  /** Which values it takes, in the words of the error for a wrong one. */
  readonly allowed: string
  readonly default: unknown
  readonly program: ProgramName
  /** What has to be done so that a change takes effect. */
  readonly takesEffect: string
  readonly meaning: string
}

const PREFIX = 'WAZO_WEBSOCKETD_'
const TAKES_EFFECT: Readonly<Record<ProgramName, string>> = {
  edge: 'reload',
  ingest: 'restart',
  both: 'edge: reload; ingest: restart',
  none: '-',
}

/** All keys, in the order of the schema. */
export function configurationKeys(): readonly KeyRow[] {
  const comments = schemaComments()
  const restartOnly = keysOfRestarts()
  const defaults = [...settingsOf(new Map())].flatMap(([key, value]) => [
    [key, value] as const,
    ...innerKeys(key),
  ])
  refuseUnknown(new Set(defaults.map(([key]) => key)))
  return defaults.map(([key, value]) => {
    const program = programOf(key)
    return {
      key,
      variable: variableOf(key),
      allowed: allowedBy(key),
      default: value,
      program,
      takesEffect: restartOnly.has(key) ? 'restart' : TAKES_EFFECT[program],
      meaning: meaningOf(key, comments.get(key)),
    }
  })
}

function refuseUnknown(keys: ReadonlySet<string>): void {
  for (const key of NOTES.keys()) if (!keys.has(key)) throw new Error(`NOTES has ${key}, which is no key`)
}

function settingsOf(tree: Tree): ReadonlyMap<string, unknown> {
  return new Map([...resolve(tree).settings].map(([key, { value }]) => [key, value]))
}

/** The keys below one that takes a mapping as well, such as `bus.tls`. */
function innerKeys(key: string): readonly (readonly [string, unknown])[] {
  const inner = settingsOf(treeOf(key, new Map()))
  return [...inner].filter(([each]) => each.startsWith(`${key}.`))
}

/** What the error for a value of no kind says that the key has to be. */
function allowedBy(key: string): string {
  const [problem] = resolve(treeOf(key, { value: Symbol(), source: '' })).problems
  const expected = problem === undefined ? 'anything' : (/: must be (.*), not /.exec(problem)?.[1] ?? problem)
  const takesNull = resolve(treeOf(key, { value: null, source: '' })).problems.length === 0
  return takesNull && problem !== undefined && !expected.includes('null') ? `${expected}, or null` : expected
}

function meaningOf(key: string, comment: string | undefined): string {
  const note = NOTES.get(key) ?? COMMENT
  if (note.includes(COMMENT) !== (comment !== undefined))
    throw new Error(
      `${key} needs a comment in the schema or an entry of NOTES, which has to hold that comment`,
    )
  return note.split(COMMENT).join(comment ?? '')
}

/** The variable of the environment that sets `key`; tried out. */
function variableOf(key: string): string {
  const variable = PREFIX + key.toUpperCase().replaceAll('.', '__')
  if (leafAt(environmentTree({ [variable]: 'x' }), key.split('.')) === undefined)
    throw new Error(`${variable} does not set ${key}`)
  return variable
}

/** The keys of the edge that a reload leaves as they were. */
function keysOfRestarts(): ReadonlySet<string> {
  const { config, settings } = resolve(new Map())
  const { restartOnly } = generationOf(
    { config, settings, warnings: [], notes: [] },
    { tls: null, redisTls: null },
  )
  return new Set(Object.keys(restartOnly))
}

/** By the longest entry of PROGRAMS that `key` begins with. */
function programOf(key: string): ProgramName {
  for (let path = key; path !== ''; path = path.slice(0, Math.max(0, path.lastIndexOf('.')))) {
    const program = PROGRAMS.get(path)
    if (program !== undefined) return program
  }
  throw new Error(`no entry of PROGRAMS says which program reads ${key}`)
}

/** The tree in which `key` alone is set. */
function treeOf(key: string, value: Node): Tree {
  return key
    .split('.')
    .reverse()
    .reduce<Node>((inner, name) => new Map([[name, inner]]), value) as Tree
}
