import type { Metrics } from './metrics.js'

/** Counts lines of the log that were dropped; `droppedLines` tells how many there were in all. */
export function logMetrics(metrics: Metrics, droppedLines: () => number = () => 0): void {
  let counted = 0
  metrics.counter({
    name: 'log_lines_dropped_total',
    help: 'Lines of the log that could not be written: a full disk, or standard output that nobody reads.',
    collect() {
      const dropped = droppedLines()
      this.inc(dropped - counted)
      counted = dropped
    },
  })
}
