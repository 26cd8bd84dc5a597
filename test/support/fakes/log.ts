import { pino, type Logger } from 'pino'

export interface Entry {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

/** A logger that keeps its entries. */
export function fakeLog(): { readonly logger: Logger; readonly entries: Entry[] } {
  const entries: Entry[] = []
  const logger = pino(
    { level: 'debug' },
    { write: (line: string) => void entries.push(JSON.parse(line) as Entry) },
  )
  return { logger, entries }
}
