import { readdirSync, readFileSync } from 'node:fs'
import { posix, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

const TEST = fileURLToPath(new URL('..', import.meta.url))
/** What several suites use. */
const SUPPORT = 'support'
/** Benchmark, chaos, fuzz and simulation are programs: these tests are theirs. */
const TESTED_PROGRAMS: readonly (readonly [tests: string, program: string])[] = [
  ['unit/bench/', 'bench'],
  ['unit/chaos/', 'chaos'],
  ['unit/fuzz/', 'fuzz'],
  ['integration/chaos-checker.test.ts', 'chaos'],
  ['integration/fuzz.test.ts', 'fuzz'],
  ['integration/simulation-fidelity.test.ts', 'simulation'],
  ['integration/simulation.test.ts', 'simulation'],
]
const SPECIFIER = /(?:^(?:import|export|\} from)\b[^'\n]*|\bimport\(|new URL\()'(\.[^']+)'/gm

/** What a file imports from other suites. */
function foreignImports(file: string, text: string): string[] {
  const [suite] = file.split('/')
  return [...text.matchAll(SPECIFIER)]
    .map(([, specifier]) => posix.join(posix.dirname(file), specifier!))
    .filter((imported) => !imported.startsWith('..') && imported.includes('/'))
    .filter((imported) => {
      const [from] = imported.split('/')
      const isTested = TESTED_PROGRAMS.some(([tests, program]) => file.startsWith(tests) && from === program)
      return from !== suite && from !== SUPPORT && from !== 'fixtures' && !isTested
    })
}

describe('the suites', () => {
  const files = readdirSync(TEST, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll(sep, '/'))
    .filter((file) => /[.](ts|mjs|cjs)$/.test(file))

  it('import nothing from each other, and what they share does not import from them', () => {
    const foreign = files.flatMap((file) =>
      foreignImports(file, readFileSync(`${TEST}/${file}`, 'utf8')).map((imported) => `${file}: ${imported}`),
    )
    expect(foreign, 'what two suites use belongs to test/support').to.deep.equal([])
  })

  it('would be caught', () => {
    const text = "import { a } from '../faults/support/a.js'\nimport type { B } from '../support/b.js'"
    expect(foreignImports('unit/x.test.ts', text)).to.deep.equal(['faults/support/a.js'])
    expect(foreignImports('faults/x.test.ts', text)).to.deep.equal([])
    expect(foreignImports('support/x.ts', "import '../unit/a.js'")).to.deep.equal(['unit/a.js'])
    expect(foreignImports('unit/chaos/x.test.ts', "import '../../chaos/a.js'")).to.deep.equal([])
    expect(foreignImports('unit/bench/x.test.ts', "import '../../chaos/a.js'")).to.deep.equal(['chaos/a.js'])
  })
})
