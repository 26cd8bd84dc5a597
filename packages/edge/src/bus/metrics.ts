/** What the reading side of the bus counts. */
export interface BusMetrics {
  /** A partition's continuity was in doubt and has been proven from the log, or could not be. */
  recovery(result: 'recovered' | 'lost'): void
  /** A message that this program cannot read. */
  unreadable(): void
}
