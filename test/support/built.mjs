/**
 * `node --import ./test/support/built.mjs`: tests in TypeScript against the built programs.
 *
 * tsx compiles the tests only. What is under test is loaded by Node itself, byte for byte as it was built:
 * tsx would compile it once more, and coverage measured on that does not fit the source maps.
 */
import { register as registerHooks } from 'node:module'
import { register as registerTypeScript } from 'tsx/esm/api'

const hooks = `
import { readFile } from 'node:fs/promises'
const BUILT = /\\/packages\\/[a-z]+\\/dist\\/[^?]*\\.js$/
export async function load(url, context, nextLoad) {
  if (!url.startsWith('file:') || !BUILT.test(url)) return nextLoad(url, context)
  return { format: 'module', source: await readFile(new URL(url)), shortCircuit: true }
}
`

registerTypeScript()
registerHooks(`data:text/javascript,${encodeURIComponent(hooks)}`)

// Where Node can require() ES modules mocha does so, past these hooks, and reports a failing import of a
// TypeScript file as the failing require(). Told otherwise, it imports.
Object.defineProperty(process.features, 'require_module', { value: false })
