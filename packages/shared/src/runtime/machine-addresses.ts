/** Addresses on which this machine can listen. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

/** What the system knows about addresses; replaced in tests. */
export interface AddressSystem {
  /** Of all interfaces. @throws when they cannot be asked for, as under `RestrictAddressFamilies=` of systemd. */
  interfaces(): readonly string[]
  /** The addresses of a name; empty: there are none. @throws when names cannot be looked up. */
  lookUp(name: string): readonly string[]
  /** Whether programs may listen on addresses that the machine gets later. */
  takesForeign(): boolean
}

const LOOK_UP_MS_MAX = 5000
/** Status of `getent` for a name that is not known. */
const NOT_FOUND = 2
const EVERY_ADDRESS: ReadonlySet<string> = new Set(['0.0.0.0', '::'])
const LOOPBACK_IPV4 = /^127\./
const NONLOCAL_BIND = ['/proc/sys/net/ipv4/ip_nonlocal_bind', '/proc/sys/net/ipv6/ip_nonlocal_bind']

const system: AddressSystem = {
  interfaces: () =>
    Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address) ?? []),
  lookUp(name) {
    try {
      const lines = execFileSync('getent', ['ahosts', name], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: LOOK_UP_MS_MAX,
      })
      return lines.split('\n').flatMap((line) => line.split(/\s+/)[0] || [])
    } catch (error) {
      if (error instanceof Error && 'status' in error && error.status === NOT_FOUND) return []
      throw error
    }
  },
  takesForeign: () => NONLOCAL_BIND.some((file) => readFileSync(file, 'utf8').trim() === '1'),
}

/** Whether a program can listen on `host`, an address or a name; true also where that cannot be found out. */
export function isOwnAddress(host: string, on: AddressSystem = system): boolean {
  const foreign = (address: string): boolean =>
    !EVERY_ADDRESS.has(address) && !LOOPBACK_IPV4.test(address) && !on.interfaces().includes(address)
  try {
    const address = host.replace(/%.*$/, '')
    const addresses = isIP(address) === 0 ? on.lookUp(host) : [address]
    return addresses.some((each) => !foreign(each)) || mayTakeForeign(on)
  } catch {
    return true
  }
}

/** False where the system does not say. */
function mayTakeForeign(on: AddressSystem): boolean {
  try {
    return on.takesForeign()
  } catch {
    return false
  }
}
