import type { Program } from '../../support/program.mjs'
import { readMetrics, type Sample } from './metrics.js'
import type { Rig } from './rig.js'

const EVERY_MS = 1000

/** What the programs counted of themselves, kept beyond their ends. */
export interface Counts {
  readonly recoveries: number
  readonly losses: number
  readonly rolled: number
  readonly empty: number
  readonly takeovers: number
  /** Sessions that went on where a drained one of their token had been. */
  readonly resumed: number
  /** Drained sessions that could not leave their place. */
  readonly placesNotLeft: number
}

/** Reads /metrics of all programs once a second. */
export class Tally {
  private readonly rig: Rig
  /** The last sample of each process that there ever was. */
  private readonly samples = new Map<number, Sample>()
  private publisher: Program | undefined
  private takeovers = 0
  private readonly timer: NodeJS.Timeout

  constructor(rig: Rig) {
    this.rig = rig
    this.timer = setInterval(() => void this.read(), EVERY_MS)
  }

  /** The ingest whose batches went out last. */
  get publishing(): Program | undefined {
    return this.publisher
  }

  get counts(): Counts {
    return {
      recoveries: this.sum('recovery_total{result="recovered"}'),
      losses: this.sum('recovery_total{result="lost"}'),
      rolled: this.sum('publish_answers_total{answer="ROLLED"}'),
      empty: this.sum('publish_answers_total{answer="EMPTY"}'),
      takeovers: this.takeovers,
      resumed: this.sum('resume_tickets_total{result="resumed"}'),
      placesNotLeft: this.sum('resume_tickets_total{result="not-left"}'),
    }
  }

  stop(): void {
    clearInterval(this.timer)
  }

  async read(): Promise<void> {
    const { cluster } = this.rig
    await Promise.all([
      ...cluster.edges.map(({ program, adminPort }) => this.sample(program, adminPort)),
      ...cluster.ingests.map((ingest) => this.sample(ingest, this.rig.ingestPort(ingest))),
    ])
    const now = cluster.ingests.find(({ pid }) => this.samples.get(pid)?.get('ingest_publishing') === 1)
    if (now === undefined || now === this.publisher) return
    if (this.publisher !== undefined) this.takeovers++
    this.publisher = now
  }

  private async sample({ pid }: Program, port: number | null): Promise<void> {
    if (port === null) return
    try {
      this.samples.set(pid, await readMetrics(port))
    } catch {
      // it has ended, or is frozen
    }
  }

  private sum(name: string): number {
    let sum = 0
    for (const sample of this.samples.values()) sum += sample.get(name) ?? 0
    return sum
  }
}
