import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { clientNetwork } from '@wazo-websocketd/shared/runtime/network'

/** So many seconds' connections may come at once. */
const BURST_SECONDS = 5
/** Beyond so many addresses the one that has connected longest ago is forgotten. */
const ADDRESSES_MAX = 10_000

export interface ConnectRateOptions {
  /** Connections of one address in a second, of this worker; null: no limit. */
  readonly perSecond: number | null
  readonly clock: Pick<Clock, 'monotonic'>
}

/** Bounds how fast one client address may connect. An IPv6 address counts with the 64 bits of its network. */
export class ConnectRate {
  private readonly options: ConnectRateOptions
  /** When an address may use its whole burst again; monotonic milliseconds, in the order of the last connections. */
  private readonly fullAt = new Map<string, number>()

  constructor(options: ConnectRateOptions) {
    this.options = options
  }

  /** Counts a connection of this address; false: it is one too many, and does not count. */
  admits(address: string): boolean {
    const { perSecond, clock } = this.options
    if (perSecond === null) return true
    const now = clock.monotonic()
    const network = clientNetwork(address)
    const fullAt = Math.max(now, this.fullAt.get(network) ?? 0) + 1_000 / perSecond
    if (fullAt - now > BURST_SECONDS * 1_000) return false
    this.fullAt.delete(network)
    this.fullAt.set(network, fullAt)
    this.forget(now)
    return true
  }

  private forget(now: number): void {
    for (const [network, fullAt] of this.fullAt) {
      if (fullAt > now && this.fullAt.size <= ADDRESSES_MAX) return
      this.fullAt.delete(network)
    }
  }
}
