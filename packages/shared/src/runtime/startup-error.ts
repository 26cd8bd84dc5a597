import { errorCode } from './system-error.js'

/** Status of a configuration that cannot be used (EX_CONFIG); systemd does not restart on it. */
export const STATUS_CONFIG = 78
/** Status of a wrong command line. */
export const STATUS_USAGE = 2

/**
 * Tells of an error that the operator can mend: one line that says what, where and how; ends the program with a
 * status.
 */
export class StartupError extends Error {
  override name = 'StartupError'
  readonly status: number

  constructor(message: string, status = 1) {
    super(message)
    this.status = status
  }
}

/**
 * What a failed `listen` means; `keys` are the configuration keys that choose the address.
 * Errors that have nothing to do with listening come back with their own message.
 */
export function listenError(error: unknown, host: string, port: number, keys: string): StartupError {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return new StartupError(
        `cannot listen on ${address}: in use by another program; change ${keys} or end that program`,
      )
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EINVAL':
      return new StartupError(`cannot listen on ${address}: not an address of this machine; change ${keys}`)
    case 'EACCES':
      return new StartupError(
        `cannot listen on ${address}: permission denied; choose a port above 1023 in ${keys}`,
      )
    default:
      return new StartupError(`cannot listen on ${address} (${keys}): ${messageOf(error)}`)
  }
}

/** The message of anything that was thrown, on one line. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.replace(/\s*\n\s*/g, ' ')
}
