import { realpathSync } from 'node:fs'
import { dirname, extname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Gives the paths of modules that stand next to `callerUrl`, with its extension, so that it holds for the sources
 * and for what is compiled. `entry` is the path by which the program was started (`process.argv[1]`): where it is
 * a symbolic link to one of several releases it is followed anew each time, so a link that has been changed leads
 * to the new release.
 */
export function codeOnDisk(callerUrl: string, entry: string): (name: string) => string {
  const here = fileURLToPath(callerUrl)
  const extension = extname(here)
  const directory = dirname(here)
  const fromEntry = relative(dirname(realPathOf(entry) ?? here), directory)
  return (name) => {
    const target = realPathOf(entry)
    return join(target === null ? directory : join(dirname(target), fromEntry), name + extension)
  }
}

/** null: there is no such file, for the moment at least. */
function realPathOf(path: string): string | null {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}
