import { crossChecks } from '@wazo-websocketd/shared/config/checks'
import { ConfigError } from '@wazo-websocketd/shared/config/error'
import { resolve, type Resolution } from '@wazo-websocketd/shared/config/resolve'
import { parseYaml } from '@wazo-websocketd/shared/config/yaml-file'
import { expect } from 'chai'
import { readFileSync } from 'node:fs'

const FILE = 'config.yml'
const SNIPPETS = 48
const DOCUMENT = new URL('../../docs/moving-from-wazo-websocketd.md', import.meta.url)

interface Row {
  readonly snippet: string
  /** `key: value as JSON` each. */
  readonly becomes: readonly string[]
  readonly isRefused: boolean
  /** `warning`, or the line of the program without its file. */
  readonly remark: string
}

/** The rows of the table of spellings. */
function rows(): readonly Row[] {
  const [, part = ''] = readFileSync(DOCUMENT, 'utf8').split('## What each spelling becomes')
  const [table = ''] = part.split('\n## ')
  return [...table.matchAll(/^\| `(.+?)` \| (.*?) ?\| (.*?) ?\|$/gm)].map(([, snippet, becomes, remark]) => ({
    snippet: snippet!,
    becomes: becomes === 'refused' || becomes === '' ? [] : becomes!.split('<br>').map(code),
    isRefused: becomes === 'refused',
    remark: code(remark!),
  }))
}

function code(text: string): string {
  return text.replace(/^`(.*)`$/, '$1')
}

interface Outcome {
  readonly problems: readonly string[]
  readonly resolution: Resolution | null
}

function read(snippet: string): Outcome {
  try {
    const resolution = resolve(parseYaml(snippet, FILE).tree)
    const { config, settings, problems } = resolution
    const all = problems.length > 0 ? problems : crossChecks(config, settings, 'wazo-websocketd-ingest')
    return { problems: all, resolution }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { problems: error.problems, resolution: null }
  }
}

/** An empty address is that of every interface, which a machine without IPv6 spells otherwise. */
function ofThisMachine(line: string): string {
  return line.replace(/listen: "::"$/, 'listen: "0.0.0.0"')
}

describe('docs/moving-from-wazo-websocketd.md', () => {
  const table = rows()

  it(`has ${SNIPPETS} snippets of configuration`, () => {
    expect(table).to.have.length(SNIPPETS)
  })

  for (const { snippet, becomes, isRefused, remark } of table)
    it(`is right about ${snippet}`, () => {
      const { problems, resolution } = read(snippet)
      if (isRefused) {
        expect(problems).to.deep.equal([`${FILE}: ${remark}`])
        return
      }
      expect(problems).to.deep.equal([])
      const { settings, remarks, unknown } = resolution!
      const set = [...settings.values()].filter(({ source }) => source === FILE)
      expect(set.map(({ key, value }) => ofThisMachine(`${key}: ${JSON.stringify(value)}`))).to.deep.equal(
        becomes.map(ofThisMachine),
      )
      if (remark === 'warning') expect(remarks).to.have.length(set.length)
      else expect([...remarks, ...unknown]).to.deep.equal(remark === '' ? [] : [`${FILE}: ${remark}`])
    })
})
