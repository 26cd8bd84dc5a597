import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { LineLog } from '@wazo-websocketd/shared/runtime/line-log'

const WINDOW_MS = 10_000

export interface RefusalLogOptions {
  readonly clock: Clock
  readonly log: Pick<LineLog, 'info'>
}

/** Says every ten seconds how many clients were turned away and why; nothing where none was. */
export class RefusalLog {
  private readonly options: RefusalLogOptions
  private readonly counts = new Map<string, number>()
  private timer: Timer | null = null

  constructor(options: RefusalLogOptions) {
    this.options = options
  }

  /** @param reason of a set that the code closes. */
  add(reason: string): void {
    this.counts.set(reason, (this.counts.get(reason) ?? 0) + 1)
    this.timer ??= this.options.clock.after(WINDOW_MS, () => this.tell())
  }

  /** Says at once what has been counted. */
  close(): void {
    if (this.timer !== null) this.tell()
  }

  private tell(): void {
    this.timer?.cancel()
    this.timer = null
    const refused = Object.fromEntries(this.counts)
    this.counts.clear()
    this.options.log.info({ refused }, 'handshakes refused in 10 s')
  }
}
