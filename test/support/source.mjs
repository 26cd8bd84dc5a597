/**
 * `node --import ./test/support/source.mjs --conditions=source`: tests and programs in TypeScript, no build.
 *
 * Where Node can require() ES modules mocha does so, and falls back to import() for a file that awaits at its
 * top: the same module would then exist twice, once per way. Told otherwise, mocha imports everything.
 */
import 'tsx'

Object.defineProperty(process.features, 'require_module', { value: false })
