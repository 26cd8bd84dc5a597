import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import ts from 'typescript'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Sources without a test of their name, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {}

function filesUnder(directory: string, suffix: string): string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(suffix))
    .map((file) => join(directory, file))
}

/** Interfaces and types only: there is nothing to run, and the compiler is the test. */
function isTypesOnly(file: string): boolean {
  const compilerOptions = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2023,
    verbatimModuleSyntax: true,
    removeComments: true,
  }
  const { outputText } = ts.transpileModule(readFileSync(join(ROOT, file), 'utf8'), { compilerOptions })
  return outputText.trim() === 'export {};'
}

const sources = ['shared', 'ingest', 'edge'].flatMap((name) => filesUnder(`packages/${name}/src`, '.ts'))
const unitTests = new Set(filesUnder('test/unit', '.test.ts'))
const integrationTests = new Set(filesUnder('test/integration', '.test.ts').map((file) => basename(file)))

/** packages/edge/src/route/router.ts -> test/unit/edge/route/router.test.ts, or test/integration/router.test.ts */
function hasTest(source: string): boolean {
  const mirrored = source.replace(/^packages\/([a-z]+)\/src\/(.*)[.]ts$/, 'test/unit/$1/$2.test.ts')
  return unitTests.has(mirrored) || integrationTests.has(basename(mirrored))
}

describe('the tree', () => {
  it('has a test of its name for every source file', () => {
    const untested = sources.filter((file) => !hasTest(file) && !(file in EXCEPTIONS) && !isTypesOnly(file))
    expect(untested, 'add a test, or an exception with its reason').to.deep.equal([])
  })

  it('has no exception that is not needed', () => {
    const needless = Object.keys(EXCEPTIONS).filter((file) => !sources.includes(file) || hasTest(file))
    expect(needless).to.deep.equal([])
  })

  it('gives a reason for each exception', () => {
    for (const [file, reason] of Object.entries(EXCEPTIONS)) expect(reason, file).to.match(/\w+ \w+/)
    expect(sources).to.not.have.lengthOf(0)
  })
})
