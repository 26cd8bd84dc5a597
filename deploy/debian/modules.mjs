/** Which npm packages the programs need at run time, by package-lock.json. */

/**
 * @typedef {{ dependencies?: Record<string, string>, link?: boolean, resolved?: string }} Entry
 * @typedef {Record<string, Entry>} Lock `packages` of package-lock.json: path -> entry
 */

/**
 * The paths of all packages that those in `packages/` depend on, sorted. Optional ones are left out: they are binaries for one
 * machine, and what needs them does without.
 * @param {Lock} lock
 * @returns {string[]} such as node_modules/ws
 */
export function runtimeModules(lock) {
  /** @type {Set<string>} */
  const found = new Set()
  const waiting = Object.keys(lock).filter((path) => /^packages\/[^/]+$/.test(path))
  for (let from = waiting.pop(); from !== undefined; from = waiting.pop())
    for (const name of Object.keys(lock[from]?.dependencies ?? {})) {
      const path = resolve(lock, from, name)
      if (lock[path]?.link === true || found.has(path)) continue
      found.add(path)
      waiting.push(path)
    }
  return [...found].sort()
}

/**
 * Where Node finds the package `name` from the folder `from` on.
 * @param {Lock} lock @param {string} from @param {string} name
 * @returns {string}
 */
function resolve(lock, from, name) {
  for (let folder = from; ; folder = parent(folder)) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`
    if (path in lock) return path
    if (folder === '') throw new Error(`package-lock.json lacks ${name}, which ${from} needs`)
  }
}

/** @param {string} folder the package inside which this one is installed, or the root: '' */
function parent(folder) {
  const at = folder.lastIndexOf('/node_modules/')
  return at === -1 ? '' : folder.slice(0, at)
}
