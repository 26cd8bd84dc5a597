/** What those need of a log that write lines with fields: a logger, or another process that writes them. */
export interface LineLog {
  error(fields: object, line: string): void
  warn(fields: object, line: string): void
  info(fields: object, line: string): void
}
