/** The code of a failed call, such as `ENOENT`; empty when the error has none. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** What a failed system call means, without the path and without `ENOENT: `. */
export function describeSystemError(error: unknown): string {
  switch (errorCode(error)) {
    case 'ENOENT':
      return 'no such file'
    case 'EACCES':
    case 'EPERM':
      return 'permission denied'
    case 'EISDIR':
      return 'is a directory, not a file'
    case 'ENOTDIR':
      return 'is not a directory'
    case 'ENOSPC':
      return 'no space left on the disk'
    default:
      return error instanceof Error ? error.message : String(error)
  }
}

const SHORTAGES = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'ENOMEM'])

/** Whether a failed system call says that the machine lacks room or is faulty, and not that the path is wrong. */
export function isShortage(error: unknown): boolean {
  return SHORTAGES.has(errorCode(error))
}

/** Whether a failed system call says that the file does not exist. */
export function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT'
}
