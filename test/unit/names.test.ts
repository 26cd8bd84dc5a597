import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import ts from 'typescript'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PACKAGES = ['edge', 'ingest', 'shared']

/** Names that several files may define, each with its reason. */
const SHARED_NAMES: Readonly<Record<string, string>> = {
  main: 'what a program does, in the root of each',
}
const SHARED_NAMES_MAX = 8

/**
 * Words that do not say what they mean here, where the field has one that does: an occupant is a worker handle, a roster a
 * table of connections, a passage a snapshot. Words that are also the field's (call, tag, link, ring, mark, turn, hold) or
 * plain English in every name that has them (place, host, step, look) do not count.
 */
const ODD_WORDS =
  'alarm around arrival arrivals authority batcher beating bench called cargo carrier charge chain crowded dead deaf ' +
  'departing departure departures doubt drainage fanned fared farewell garbled halt heard hurry intake judge knows ' +
  'leaver ledger linger lingers luggage manner membership missing noticed occupant passage passing pipeline registry ' +
  'remain remains roster said setup sever shed sink situation stand standing stands surroundings suspicion tally told ' +
  'unanswered unheard upkeep welcomes young'

/** Odd words that may stay, each with its reason. */
const ODD_WORDS_LEFT: Readonly<Record<string, string>> = {
  alarm: "RabbitMQ's own word for being out of memory or disk",
  linger: "the field's word: lingering close of a socket, linger of a batch",
  missing:
    'a member of /admin/status and of messages between primary and workers of two versions; else plain English',
  registry: "prom-client's own word for the metrics of a process",
  setup: 'a member of messages between primary and workers of two versions',
  sink: "the field's word for what takes what a reader reads",
  suspicion: 'of StaleSubscription: why the subscription may be stale, which the log then shows',
  unanswered: 'a member of the answers of /admin/sessions',
  young: 'of a memory in two generations, as garbage collectors have',
}
const ODD_WORDS_MAX = 10

interface Source {
  readonly file: string
  readonly text: string
}

const sources: readonly Source[] = PACKAGES.flatMap((name) => {
  const folder = join(ROOT, 'packages', name, 'src')
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({ file: `${name}/${file}`, text: readFileSync(join(folder, file), 'utf8') }))
})

function parsed({ file, text }: Source): ts.SourceFile {
  return ts.createSourceFile(file, text, ts.ScriptTarget.Latest)
}

/** Every name that a file gives to something: types, functions, members, variables, parameters. */
function namesIn(source: Source): ReadonlySet<string> {
  const names = new Set<string>()
  const visit = (node: ts.Node): void => {
    const { name } = node as ts.Node & { name?: ts.Node }
    const isUse = ts.isPropertyAccessExpression(node) || ts.isImportSpecifier(node)
    if (name !== undefined && ts.isIdentifier(name) && !isUse) names.add(name.text)
    ts.forEachChild(node, visit)
  }
  visit(parsed(source))
  return names
}

/** lastSeenAt, LastSeenAt, LAST_SEEN_AT -> last, seen, at */
function wordsOf(name: string): readonly string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split('_')
}

/** Each odd word that is part of a name, with the places. */
function oddWordsIn(all: readonly Source[]): ReadonlyMap<string, readonly string[]> {
  const odd = new Set(ODD_WORDS.split(' '))
  const found = new Map<string, string[]>()
  for (const source of all)
    for (const name of namesIn(source))
      for (const word of wordsOf(name))
        if (odd.has(word)) found.set(word, [...(found.get(word) ?? []), `${source.file}: ${name}`])
  return found
}

/** Classes, functions, interfaces and types that a file defines, exported or not. */
function definedIn(source: Source): readonly string[] {
  return [...parsed(source).statements].flatMap((statement) =>
    (ts.isClassDeclaration(statement) ||
      ts.isFunctionDeclaration(statement) ||
      ts.isInterfaceDeclaration(statement) ||
      ts.isTypeAliasDeclaration(statement)) &&
    statement.name !== undefined
      ? [statement.name.text]
      : [],
  )
}

/** Each name that several files define, with the files. */
function definedTwice(all: readonly Source[]): ReadonlyMap<string, readonly string[]> {
  const files = new Map<string, Set<string>>()
  for (const source of all)
    for (const name of definedIn(source)) files.set(name, (files.get(name) ?? new Set()).add(source.file))
  return new Map([...files].filter(([, { size }]) => size > 1).map(([name, found]) => [name, [...found]]))
}

describe('names', () => {
  let twice: ReadonlyMap<string, readonly string[]>

  before('read all sources', function () {
    this.timeout(30_000)
    twice = definedTwice(sources)
  })

  it('are defined in one file each', () => {
    const unexpected = [...twice].filter(([name]) => !Object.hasOwn(SHARED_NAMES, name))
    expect(Object.fromEntries(unexpected), 'merge what is the same, and rename what is not').to.deep.equal({})
  })

  it('have few exceptions, all of them needed', () => {
    expect(Object.keys(SHARED_NAMES).filter((name) => !twice.has(name))).to.deep.equal([])
    expect(Object.keys(SHARED_NAMES)).to.have.length.at.most(SHARED_NAMES_MAX)
  })

  it('are searched for in a way that finds them', () => {
    const a = { file: 'a.ts', text: 'export class C {}\nfunction f() {}\ninterface I {}\nconst n = 1' }
    const b = {
      file: 'b.ts',
      text: 'type C = 1\nexport async function f() {}\nexport interface J {}\nconst n = 2',
    }
    expect([...definedTwice([a, b])]).to.deep.equal([
      ['C', ['a.ts', 'b.ts']],
      ['f', ['a.ts', 'b.ts']],
    ])
    // Overloads and a type beside a function of the same name are one file's own matter.
    expect([...definedTwice([{ file: 'a.ts', text: 'type x = 1\nfunction x() {}' }])]).to.deep.equal([])
    expect(sources.length).to.be.above(250)
  })
})

/** Each class, with the first sentence of its comment. */
function classesIn(source: Source): readonly (readonly [name: string, sentence: string])[] {
  return [...parsed(source).statements].filter(ts.isClassDeclaration).map((declared) => {
    const comment =
      /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*$/.exec(source.text.slice(0, startOf(declared, source)))?.[1] ?? ''
    const [sentence = ''] = comment
      .replace(/\s*\n\s*\* ?/g, ' ')
      .trim()
      .split(/(?<=[.])\s/)
    return [`${source.file}: ${declared.name?.text ?? ''}`, sentence]
  })
}

function startOf(node: ts.Node, { text }: Source): number {
  return node.pos + text.slice(node.pos).search(/^(?:export )?(?:abstract )?class /m)
}

/** `Closes sessions ...`, or `One session: closes ...`. */
const WITH_A_VERB = /^(?:[A-Z][a-z]+s\b|Is a\b|Has\b|[^.:]*: [a-z]+s\b)/

describe('the comments of classes', () => {
  it('say first what the class does', () => {
    const silent = sources.flatMap(classesIn).filter(([, sentence]) => !WITH_A_VERB.test(sentence))
    expect(silent, 'begin with an active verb').to.deep.equal([])
  })

  it('are read in a way that finds them', () => {
    const text =
      "/** Of the file. */\nimport 'x'\n\n/** Closes\n * sessions. At once. */\nexport class A {}\nclass B {}\n/** The end. */\nclass C {}"
    const found = classesIn({ file: 'a.ts', text })
    expect(found).to.deep.equal([
      ['a.ts: A', 'Closes sessions.'],
      ['a.ts: B', ''],
      ['a.ts: C', 'The end.'],
    ])
    expect(found.map(([, sentence]) => WITH_A_VERB.test(sentence))).to.deep.equal([true, false, false])
  })
})

describe('words', () => {
  let found: ReadonlyMap<string, readonly string[]>

  before('read all sources', function () {
    this.timeout(30_000)
    found = oddWordsIn(sources)
  })

  it('say what they mean', () => {
    const unexpected = [...found].filter(([word]) => !Object.hasOwn(ODD_WORDS_LEFT, word))
    expect(Object.fromEntries(unexpected), 'use the word of the field').to.deep.equal({})
  })

  it('have few exceptions, all of them needed', () => {
    expect(Object.keys(ODD_WORDS_LEFT).filter((word) => !found.has(word))).to.deep.equal([])
    expect(Object.keys(ODD_WORDS_LEFT)).to.have.length.at.most(ODD_WORDS_MAX)
  })

  it('are searched for in a way that finds them', () => {
    const text =
      'class Roster { shedAt = 1 }\nfunction f(manner: string) { const LAST_TALLY = 1 }\nx.cargo = restored'
    expect([...oddWordsIn([{ file: 'a.ts', text }])]).to.deep.equal([
      ['roster', ['a.ts: Roster']],
      ['shed', ['a.ts: shedAt']],
      ['manner', ['a.ts: manner']],
      ['tally', ['a.ts: LAST_TALLY']],
    ])
  })
})
