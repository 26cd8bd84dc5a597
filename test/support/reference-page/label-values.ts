/** The values of metrics' labels, out of the types whose comment says "as `ops_total{result}` names it". */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PACKAGES = fileURLToPath(new URL('../../../packages', import.meta.url))
const SOURCE = /^[a-z]+\/src\/.*[.]ts$/
/** A comment that names a label, and the type or list that it stands above. */
const NAMED = /^\/\*\*((?:(?!\*\/)[^])*)\*\/\nexport (?:type|const) \w+ =((?:.*\n)(?:[ \]].*\n)*)/gm
const LABEL = /`([a-z_]+\{[a-z]+\})`/g

/** The values by `ops_total{result}`, in the order of the sources. Labels with any other values are not there. */
export function labelValues(): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, readonly string[]>()
  const files = readdirSync(PACKAGES, { recursive: true, encoding: 'utf8' }).filter((file) =>
    SOURCE.test(file),
  )
  for (const file of files.sort())
    for (const [, comment = '', definition = ''] of readFileSync(join(PACKAGES, file), 'utf8').matchAll(
      NAMED,
    ))
      for (const [, label = ''] of comment.matchAll(LABEL))
        values.set(label, [...(values.get(label) ?? []), ...literalsIn(definition)])
  return values
}

function literalsIn(definition: string): readonly string[] {
  const code = definition.replace(/\/\*[^]*?\*\/|\/\/.*/g, '')
  return [...code.matchAll(/'([^']*)'/g)].map(([, text = '']) => text)
}
