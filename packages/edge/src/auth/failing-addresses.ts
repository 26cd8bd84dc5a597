import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { clientNetwork, NetworkList, type Network } from '@wazo-websocketd/shared/runtime/network'

/** Beyond so many the one that has failed longest ago is forgotten. */
const ADDRESSES_MAX = 10_000
const MINUTE_MS = 60_000
/** What sums of times may lose by rounding. */
const ROUNDING_MS = 0.01

export interface FailingAddressesOptions {
  /** Tokens of one address that wazo-auth may refuse in a minute, at once or one after the other; null: no limit. */
  readonly perMinute: number | null
  /** Proxies, whose own addresses are nobody's. Without any, an address may be that of a proxy nobody has named: no limit. */
  readonly proxies: readonly Network[]
  readonly clock: Clock
  /** The address is slowed down from now on, for a while. */
  readonly slowed: (address: string) => void
}

/** Counts for each client address the tokens that wazo-auth has refused: one that keeps failing is slowed down. */
export class FailingAddresses {
  private readonly options: FailingAddressesOptions
  private readonly proxies: NetworkList
  private readonly on: boolean
  /** When all failures of an address will be forgiven; monotonic milliseconds. */
  private readonly forgivenAt = new Map<string, number>()

  constructor(options: FailingAddressesOptions) {
    this.options = options
    this.proxies = new NetworkList(options.proxies)
    this.on = options.perMinute !== null && options.proxies.length > 0
  }

  /** How many addresses are remembered. */
  get size(): number {
    return this.forgivenAt.size
  }

  /** Whether wazo-auth is not to be asked for the client, because a refusal more would be one too many. */
  isSlowed(address: string): boolean {
    if (!this.on || this.forgivenAt.size === 0) return false
    const forgivenAt = this.forgivenAt.get(clientNetwork(address))
    if (forgivenAt === undefined) return false
    const leftMs = forgivenAt - this.options.clock.monotonic()
    return leftMs + this.forgivenAfterMs > MINUTE_MS + ROUNDING_MS
  }

  /** wazo-auth has refused a token of the client. */
  failed(address: string): void {
    if (!this.on || address === '' || this.proxies.has(address)) return
    const now = this.options.clock.monotonic()
    const network = clientNetwork(address)
    const before = this.forgivenAt.get(network) ?? 0
    const wasSlowed = this.isSlowed(address)
    this.forgivenAt.delete(network)
    this.forgivenAt.set(network, Math.max(before, now) + this.forgivenAfterMs)
    this.forget(now)
    if (!wasSlowed && this.isSlowed(address)) this.options.slowed(address)
  }

  /** A failure is forgiven after so long. */
  private get forgivenAfterMs(): number {
    return MINUTE_MS / (this.options.perMinute ?? Infinity)
  }

  /** The order is that of the last failures. */
  private forget(now: number): void {
    for (const [network, forgivenAt] of this.forgivenAt) {
      if (forgivenAt > now && this.forgivenAt.size <= ADDRESSES_MAX) return
      this.forgivenAt.delete(network)
    }
  }
}
