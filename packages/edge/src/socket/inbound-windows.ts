import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { Inbound, WINDOWS_PER_SECOND, type InboundConnection, type InboundLimits } from './inbound.js'

export interface InboundWindowsOptions {
  readonly clock: Pick<Clock, 'after'>
  readonly limits: InboundLimits
}

/** Begins the windows of all meters of a worker. A connection has a meter only while its client sends. */
export class InboundWindows {
  private readonly options: InboundWindowsOptions
  private readonly meters = new Set<Inbound>()
  private running = false

  constructor(options: InboundWindowsOptions) {
    this.options = options
  }

  /** Connections that are metered now. */
  get size(): number {
    return this.meters.size
  }

  /** Makes the meter of a connection whose client has begun to send. */
  add(connection: InboundConnection): Inbound {
    const meter = new Inbound(this.options.limits, connection)
    this.meters.add(meter)
    this.run()
    return meter
  }

  /** The connection is gone; idempotent. */
  remove(meter: Inbound): void {
    this.meters.delete(meter)
  }

  private run(): void {
    if (this.running || this.meters.size === 0) return
    this.running = true
    this.options.clock.after(1000 / WINDOWS_PER_SECOND, () => {
      this.running = false
      for (const meter of this.meters) if (!meter.nextWindow()) this.meters.delete(meter)
      this.run()
    })
  }
}
