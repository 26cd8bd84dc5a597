/** The doc comments of configuration keys, out of the sources of the schema. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const ROOT_CONSTANT = 'configSchema'
const FILES = ['schema', 'limits'].map((name) =>
  fileURLToPath(new URL(`../../../packages/shared/src/config/${name}.ts`, import.meta.url)),
)

/** The comment above each key of the schema that has one, by key (`bus.host`). */
export function schemaComments(): ReadonlyMap<string, string> {
  const constants = new Map(FILES.flatMap(constantsIn))
  const comments = new Map<string, string>()
  const walk = (expression: ts.Node | undefined, path: string): void => {
    for (const property of keysOf(expression, constants)) {
      const key = path === '' ? property.name.getText() : `${path}.${property.name.getText()}`
      const comment = commentOf(property)
      if (comment !== null) comments.set(key, comment)
      walk(property.initializer, key)
    }
  }
  walk(constants.get(ROOT_CONSTANT), '')
  return comments
}

function constantsIn(file: string): [string, ts.Node][] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ESNext, true)
  return source.statements
    .filter(ts.isVariableStatement)
    .flatMap((statement) => [...statement.declarationList.declarations])
    .flatMap(({ name, initializer }) => (initializer ? [[name.getText(), initializer]] : []))
}

/** The keys that `z.object({...})` in `expression` has, or in the constant of these files that it names. */
function keysOf(
  expression: ts.Node | undefined,
  constants: ReadonlyMap<string, ts.Node>,
): readonly ts.PropertyAssignment[] {
  if (expression === undefined) return []
  if (ts.isCallExpression(expression) && expression.expression.getText() === 'z.object') {
    const [shape] = expression.arguments
    return shape !== undefined && ts.isObjectLiteralExpression(shape)
      ? shape.properties.filter(ts.isPropertyAssignment)
      : []
  }
  if (ts.isIdentifier(expression)) return keysOf(constants.get(expression.text), constants)
  let keys: readonly ts.PropertyAssignment[] = []
  ts.forEachChild(expression, (child) => {
    if (keys.length === 0) keys = keysOf(child, constants)
  })
  return keys
}

function commentOf(node: ts.Node): string | null {
  const text = node.getSourceFile().text
  const range = ts.getLeadingCommentRanges(text, node.pos)?.at(-1)
  if (range === undefined) return null
  return text
    .slice(range.pos, range.end)
    .replace(/^\/\*\*|\*\/$/g, '')
    .replace(/^\s*\* ?/gm, '')
    .replace(/\s+/g, ' ')
    .trim()
}
