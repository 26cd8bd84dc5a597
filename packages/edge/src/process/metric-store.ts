/** The metrics of all workers as one, of those that have ended too. */
import {
  aggregateExposition,
  aggregateSnapshots,
  type Exposition,
  type Snapshot,
} from '@wazo-websocketd/shared/runtime/metrics'
import { withCutConnections } from './cut-connections.js'

/** Kinds whose values only ever grow; enough to be told from a gauge in a snapshot that came over IPC. */
const CUMULATIVE: ReadonlySet<string> = new Set(['counter', 'histogram', 'summary'])

/**
 * Keeps the last snapshot that each worker has pushed. A worker that hangs is therefore scraped with its
 * last values, at once. Of a worker that has ended, counters and histograms stay, so that no sum ever
 * drops; its gauges vanish, and the connections that ended with it count as closed.
 */
export class MetricStore {
  private readonly live = new Map<number, Snapshot>()
  /** Connections that have come to a worker, or left it, since its snapshot. */
  private readonly movedSince = new Map<number, number>()
  private retired: Snapshot = []
  /** Retirements happen one after the other, because aggregation is asynchronous. */
  private retiring: Promise<void> = Promise.resolve()

  /** Replaces what worker `id` said before. */
  update(id: number, snapshot: Snapshot): void {
    this.live.set(id, snapshot)
    this.movedSince.delete(id)
  }

  /** A connection of worker `from` is that of worker `to` now. */
  moved(from: number, to: number): void {
    for (const [id, change] of [
      [from, -1],
      [to, 1],
    ] as const)
      // A worker that has ended, or said nothing yet, has no snapshot that would be corrected.
      if (this.live.has(id)) this.movedSince.set(id, (this.movedSince.get(id) ?? 0) + change)
  }

  /**
   * Worker `id` has ended. Resolves when its counters are among the kept ones; rejects when they cannot be added up:
   * code of another version may say what this one does not understand. Then they are lost, and no others.
   */
  retire(id: number): Promise<void> {
    const retired = this.retiring.then(() => this.retireNow(id))
    this.retiring = retired.catch(() => undefined)
    return retired
  }

  /** The text for Prometheus: all workers, those that have ended, and the primary's own metrics. */
  async exposition(own: Snapshot): Promise<Exposition> {
    await this.retiring
    return aggregateExposition([own, ...this.live.values(), this.retired])
  }

  private async retireNow(id: number): Promise<void> {
    const snapshot = this.live.get(id)
    const moved = this.movedSince.get(id) ?? 0
    this.movedSince.delete(id)
    if (snapshot === undefined) return
    const cumulative = withCutConnections(snapshot, moved).filter((metric) =>
      CUMULATIVE.has(String(metric.type)),
    )
    try {
      // Assigned and deleted in one tick, so that no scrape sees the worker twice or not at all.
      this.retired = await aggregateSnapshots([this.retired, cumulative])
    } finally {
      this.live.delete(id)
    }
  }
}
