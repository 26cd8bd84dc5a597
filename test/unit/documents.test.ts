import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { METRIC_PREFIX } from '@wazo-websocketd/shared/runtime/metrics'
import { expect } from 'chai'
import { declaredMetrics, EDGE, INGEST } from '../support/reference-page/metrics.js'
import { referencePage } from '../support/reference-page/page.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

function filesUnder(directory: string, ending: RegExp): string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .filter((file) => ending.test(file) && !/(^|\/)(node_modules|dist)\//.test(file))
    .map((file) => join(directory, file))
}

const sources = filesUnder('packages', /^[a-z]+\/src\/.*[.]ts$/)

describe('docs/reference.md', () => {
  /** The one file that declares metrics under names of variables. */
  const DECLARES_FOR_OTHERS = 'packages/shared/src/runtime/metrics.ts'

  it('is what the code says', async () => {
    expect(read('docs/reference.md'), 'run npm run reference').to.equal(await referencePage())
  })

  it('has every metric that a source declares', () => {
    const texts = sources.filter((file) => file !== DECLARES_FOR_OTHERS).map(read)
    const calls = texts.flatMap((text) => [...text.matchAll(/[.](?:counter|gauge|histogram)(?:<.*>)?\(/g)])
    const names = texts.flatMap((text) =>
      [...text.matchAll(/[.](?:counter|gauge|histogram)(?:<.*>)?\(\{\s*name: '([a-z_]+)'/g)].map(
        ([, name]) => METRIC_PREFIX + name!,
      ),
    )
    expect(names, 'a metric whose name this test cannot read').to.have.length(calls.length)
    const listed = [EDGE, INGEST].flatMap((processes) => declaredMetrics(processes)).map(({ name }) => name)
    expect(listed.sort(), 'complete the lists in test/support/reference-page/metrics.ts').to.deep.equal(
      names.sort(),
    )
  })
})
