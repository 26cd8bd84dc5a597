import * as catalogue from '@wazo-websocketd/shared/domain/close'
import { expect } from 'chai'
import { readFileSync } from 'node:fs'
import { RULES } from './rules.js'
import { rulesOf, runSuite } from './support/mocha.js'

describe('the rules of the contract and their tests', () => {
  let titles: string[] = []

  before(async function () {
    this.timeout(60_000)
    const outcomes = await runSuite(['--dry-run'])
    titles = outcomes.map(({ title }) => title)
  })

  it('every rule has a test', () => {
    const tested = new Set(titles.flatMap(rulesOf))
    expect(Object.keys(RULES).filter((rule) => !tested.has(rule))).to.deep.equal([])
  })

  it('every test names rules that exist', () => {
    const unknown = titles.filter((title) => {
      const rules = rulesOf(title)
      return rules.length === 0 || rules.some((rule) => !Object.hasOwn(RULES, rule))
    })
    expect(unknown).to.deep.equal([])
  })

  it('PROTOCOL.md tells every rule to the author of a client, and no other', () => {
    const text = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8')
    const told = new Set(text.match(/\bC\d+\.\d+/g))
    expect([...told]).to.have.members(Object.keys(RULES))
  })

  it('PROTOCOL.md has every close code of the catalogue, with its reason and whether to come back', () => {
    const text = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8')
    const closes = Object.values(catalogue).filter((entry) => typeof entry === 'object')
    expect(closes).to.not.be.empty
    for (const { code, reason, comeBack } of closes) {
      const row = text.split('\n').find((line) => line.startsWith(`| ${code} | \`${reason}\` |`))
      expect(row, `${code} ${reason}`).to.match(
        comeBack ? /\| yes[^|]*\|$/ : /\| (no|with a new token)[^|]*\|$/,
      )
    }
  })

  it('a rule is one sentence', () => {
    for (const [rule, sentence] of Object.entries(RULES)) expect(sentence, rule).to.match(/^\S.*\.$/)
  })

  it('the numbers have no gaps', () => {
    const sections = new Map<string, number>()
    for (const rule of Object.keys(RULES)) {
      const [section, number] = rule.slice(1).split('.')
      const expected = (sections.get(section!) ?? 0) + 1
      expect(Number(number), rule).to.equal(expected)
      sections.set(section!, expected)
    }
  })
})
