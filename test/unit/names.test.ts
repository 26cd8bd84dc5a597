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

function statementsOf({ file, text }: Source): readonly ts.Statement[] {
  return [...ts.createSourceFile(file, text, ts.ScriptTarget.Latest).statements]
}

/** Classes, functions, interfaces and types that a file defines, exported or not. */
function definedIn(source: Source): readonly string[] {
  return statementsOf(source).flatMap((statement) =>
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
