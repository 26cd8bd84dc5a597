import { isIP } from 'node:net'
import { NetworkList, parseNetwork, type Network } from '@wazo-websocketd/shared/runtime/network'

const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i
/** Proxies in a row; addresses beyond are ignored. */
const HOPS_MAX = 16

/** Finds the address of a connection's client; believes `X-Forwarded-For` of the configured proxies only. */
export class ClientAddress {
  private readonly proxies: NetworkList

  /**
   * @param trustedProxies addresses, or networks such as `10.0.0.0/8`
   * @throws Error naming the entry that is neither.
   */
  constructor(trustedProxies: readonly string[]) {
    this.proxies = new NetworkList(trustedProxies.map(networkOf))
  }

  /** The address of a connection's other end, whatever it says of itself; null: that of a trusted proxy. */
  direct(peer: string | undefined): string | null {
    const address = normalisedAddress(peer ?? '')
    return this.proxies.has(address) ? null : address
  }

  /** Returns the address nearest to the client that a trusted hop reports. */
  of(peer: string | undefined, forwardedFor: string | undefined): string {
    let address = normalisedAddress(peer ?? '')
    const hops = (forwardedFor ?? '').split(',').slice(-HOPS_MAX)
    while (hops.length > 0 && this.proxies.has(address)) {
      const hop = normalisedAddress(hops.pop() ?? '')
      if (isIP(hop) === 0) break
      address = hop
    }
    return address
  }
}

function networkOf(entry: string): Network {
  const network = parseNetwork(entry)
  if (network === null)
    throw new Error(`websocket.trusted_proxies: ${JSON.stringify(entry)} is not an address or network`)
  return network
}

/** Removes control characters and blanks, and unwraps an IPv4 address. */
function normalisedAddress(address: string): string {
  // eslint-disable-next-line no-control-regex -- they are what must not get into a log
  const clean = address.replace(/[\u0000-\u0020\u007f]/g, '')
  return MAPPED_IPV4.exec(clean)?.[1] ?? clean
}
