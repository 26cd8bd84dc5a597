import { BlockList, isIP } from 'node:net'

/** 16 bits each. */
const IPV6_GROUPS = 8
const IPV6_NETWORK_GROUPS = 4

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

/** Tells whether an address is in a list of addresses and networks. */
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

/** Whether an address as a socket tells it is one of this machine's own loopback. */
export function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\./.test(address) || address === '::1'
}

/** What stands for a client: the first half of an IPv6 address, as whoever has one has all of those, and all of another one. */
export function clientNetwork(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const groups = head.split(':')
  const missing = tail === undefined ? 0 : IPV6_GROUPS - groups.length - tail.split(':').length
  const all = [...groups, ...Array<string>(Math.max(0, missing)).fill('0'), ...(tail ?? '').split(':')]
  return all
    .slice(0, IPV6_NETWORK_GROUPS)
    .map((group) => group || '0')
    .join(':')
}
