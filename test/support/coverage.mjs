/** Judges what c8 measured: the folders in which every statement counts. */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

const STATEMENTS_MIN_PERCENT = 95
const FOLDERS = ['shared/src/domain', 'edge/src/session', 'edge/src/route', 'edge/src/deliver'].map(
  (folder) => `packages/${folder}/`,
)

/**
 * @param {string} summary the file of c8's reporter json-summary
 * @returns {Promise<{ lines: string[], failed: number }>} a line per folder, and how many are below the minimum
 */
export async function judgeCoverage(summary) {
  /** @type {Record<string, { statements: { total: number, covered: number } }>} */
  const files = JSON.parse(await readFile(summary, 'utf8'))
  let failed = 0
  const lines = FOLDERS.map((folder) => {
    const within = Object.entries(files).filter(([file]) => file.includes(folder) && hasCode(file))
    const total = within.reduce((sum, [, { statements }]) => sum + statements.total, 0)
    const covered = within.reduce((sum, [, { statements }]) => sum + statements.covered, 0)
    const percent = total === 0 ? 0 : (100 * covered) / total
    const enough = percent >= STATEMENTS_MIN_PERCENT
    if (!enough) failed++
    const verdict = enough ? 'ok' : `below ${STATEMENTS_MIN_PERCENT} %`
    return `coverage of ${folder}: ${percent.toFixed(1)} % of ${total} statements in ${within.length} files, ${verdict}`
  })
  return { lines, failed }
}

/**
 * Whether a source has anything to run. Files of types only are built to `export {};`, which c8 takes for
 * statements that never ran.
 * @param {string} source
 */
function hasCode(source) {
  const built = source.replace('/src/', '/dist/').replace(/[.]ts$/, '.js')
  const code = readFileSync(built, 'utf8').replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '')
  return code.trim() !== 'export {};'
}
