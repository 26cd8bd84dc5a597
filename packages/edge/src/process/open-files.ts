import { readFileSync } from 'node:fs'

const LIMITS_FILE = '/proc/self/limits'
const OPEN_FILES = /^Max open files\s+(\d+)/m

/**
 * How many files this process may have open, by its soft limit, which Node has raised to the hard one. Infinity where
 * the system does not tell.
 * @param read reads a file; tests give another one
 */
export function openFilesMax(read: (file: string) => string = (file) => readFileSync(file, 'utf8')): number {
  try {
    return Number(OPEN_FILES.exec(read(LIMITS_FILE))?.[1] ?? Infinity)
  } catch {
    return Infinity
  }
}
