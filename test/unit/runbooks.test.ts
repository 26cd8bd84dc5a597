import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { parse } from 'yaml'
import { declaredMetrics, processMetrics } from '../support/reference-page/metrics.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const RULES = join(ROOT, 'deploy/prometheus/rules')

interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}
interface Inhibition {
  readonly source_matchers: readonly string[]
  readonly target_matchers: readonly string[]
}

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const rules = readdirSync(RULES).flatMap((file) =>
  (parse(readFileSync(join(RULES, file), 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
    (group) => group.rules,
  ),
)
const alerts = rules.filter((rule): rule is Rule & { alert: string } => rule.alert !== undefined)
const names = alerts.map(({ alert }) => alert)
const operations = read('OPERATIONS.md')
/** Each entry of the runbooks by its heading. */
const entries = new Map(
  operations
    .slice(operations.indexOf('\n## Runbooks'))
    .split(/^### /m)
    .slice(1)
    .map((text) => [text.slice(0, text.indexOf('\n')), text] as const),
)

describe('the runbooks', () => {
  it('have an entry for every alert, and none for another one', () => {
    expect([...entries.keys()]).to.have.members(names)
    expect(names).to.have.length(new Set(names).size)
  })

  it('say in every entry what clients notice, how to confirm it and what to do', () => {
    for (const [name, text] of entries)
      for (const part of ['Clients notice', 'Confirm', 'Do'])
        expect(text, name).to.match(new RegExp(`^- \\*\\*${part}\\*\\*: \\S`, 'm'))
  })

  it('are named by every alert, which has a severity, the same as its entry, and a summary in words', () => {
    for (const { alert, labels, annotations } of alerts) {
      expect(annotations?.['runbook'], alert).to.equal(`OPERATIONS.md#${alert.toLowerCase()}`)
      expect(annotations?.['summary'], alert).to.match(/ .*\.$/)
      expect(labels?.['severity'], alert).to.be.oneOf(['critical', 'warning'])
      const severity = /^(Critical|Warning): /m.exec(entries.get(alert) ?? '')?.[1]
      expect(severity?.toLowerCase(), alert).to.equal(labels?.['severity'])
    }
  })

  it('and the rules name only metrics that there are', async () => {
    const declared = [
      ...(await declaredMetrics('edge')),
      ...(await declaredMetrics('ingest')),
      ...(await processMetrics()),
    ].map(({ name }) => name)
    const recorded = rules.flatMap(({ record }) => record ?? [])
    const known = new Set([...declared, ...declared.map((name) => `${name}_bucket`), ...recorded])
    const used = (text: string) => text.match(/\bwebsocketd[_:][a-z0-9_:]+\b/g) ?? []
    for (const { alert, record, expr } of rules)
      expect([...known], alert ?? record).to.include.members(used(expr))
    const documented = used(operations)
    expect(documented).to.have.length.above(20)
    expect([...known]).to.include.members(documented)
  })
})

describe("the Alertmanager's inhibition", () => {
  const { inhibit_rules: inhibitions } = parse(read('deploy/alertmanager/alertmanager.yml')) as {
    inhibit_rules: Inhibition[]
  }
  /** The names that a matcher such as `alertname =~ "A(B|C)"` has. */
  function namesIn(matchers: readonly string[]): string[] {
    return matchers.flatMap((matcher) => {
      const [, prefix = '', alternatives, suffix = ''] =
        /^alertname =~? "?(\w+)(?:\((.*)\)(\w*))?"?$/.exec(matcher) ?? []
      return prefix === '' ? [] : (alternatives?.split('|') ?? ['']).map((middle) => prefix + middle + suffix)
    })
  }

  it('names only alerts that there are', () => {
    for (const { source_matchers: sources, target_matchers: targets } of inhibitions)
      for (const matchers of [sources, targets]) {
        expect(namesIn(matchers)).to.have.length.above(0)
        expect(names).to.include.members(namesIn(matchers))
      }
  })

  it('mutes no alert by itself', () => {
    for (const { source_matchers: sources, target_matchers: targets } of inhibitions)
      for (const source of namesIn(sources)) expect(namesIn(targets)).not.to.include(source)
  })
})
