import { BlockList, isIP } from 'node:net'

/** An address, or all addresses whose first `bits` are those of `address`. */
export interface Network {
  readonly address: string
  readonly family: 'ipv4' | 'ipv6'
  /** All of an address: 32 or 128. */
  readonly bits: number
}

/** The network that `entry` spells, such as `10.0.0.0/8` or `::1`; null: it spells none. */
export function parseNetwork(entry: string): Network | null {
  const [address = '', bits, ...rest] = entry.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return null
  const [family, bitsMax] = version === 6 ? (['ipv6', 128] as const) : (['ipv4', 32] as const)
  if (bits === undefined) return { address, family, bits: bitsMax }
  return /^\d{1,3}$/.test(bits) && Number(bits) <= bitsMax ? { address, family, bits: Number(bits) } : null
}

/** Addresses and networks. */
export class NetworkList {
  private readonly list = new BlockList()

  constructor(networks: readonly Network[]) {
    for (const { address, bits, family } of networks) this.list.addSubnet(address, bits, family)
  }

  /** Whether `address` is in one of them; false for what is no address. */
  has(address: string): boolean {
    const version = isIP(address)
    return version !== 0 && this.list.check(address, version === 6 ? 'ipv6' : 'ipv4')
  }
}
