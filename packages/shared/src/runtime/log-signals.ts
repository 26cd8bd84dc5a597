import type { Logger } from 'pino'

/** Where signals come from. */
export interface SignalSource {
  on(signal: string, listener: () => void): void
}

/** Calls `reopen` on SIGUSR1 (the log file was renamed); SIGUSR2 has no meaning and is logged. */
export function handleLogSignals(
  logger: Pick<Logger, 'info'>,
  reopen: () => void,
  source: SignalSource,
): void {
  source.on('SIGUSR1', reopen)
  source.on('SIGUSR2', () => logger.info({ signal: 'SIGUSR2' }, 'signal without a meaning here: ignored'))
}
