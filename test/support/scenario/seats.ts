/** Who sits at the clients of a run: a pure function of the seed. */
import { MASTER_TENANT } from '../auth.mjs'
import { ACLS, NAMES, TENANTS, usersOf } from './catalogue.js'
import { Random } from './random.js'

/** What a seat does with its sessions, one after the other. */
export type Style = 'stays' | 'visits' | 'renews' | 'expires' | 'is revoked' | 'learns' | 'is cut'

export interface Seat {
  readonly name: string
  readonly tenant: string
  readonly user: string
  readonly acl: readonly string[]
  readonly admin: boolean
  readonly purpose: string
  readonly version: 1 | 2
  readonly subscriptions: readonly string[]
  readonly style: Style
  /** Index of its edge host; null: either. */
  readonly host: number | null
  /** Sees everything, all the time: by it one knows how far its host is. */
  readonly sentinel: boolean
}

const SEATS_PER_USER = 4
const SENTINELS_PER_HOST = 2
/** Those of version 1 cannot change anything after their start. */
const STYLES: Readonly<Record<1 | 2, readonly Style[]>> = {
  1: ['stays', 'stays', 'visits', 'expires', 'is revoked'],
  2: ['stays', 'stays', 'visits', 'renews', 'expires', 'is revoked', 'learns', 'is cut', 'is cut'],
}

export function seatsFor(seed: number, hosts: number): Seat[] {
  const random = new Random(seed)
  const seats: Seat[] = []
  for (const tenant of TENANTS)
    for (const user of usersOf(tenant))
      for (let n = 0; n < SEATS_PER_USER; n++) seats.push(seatOf(random, tenant, user, seats.length))
  for (let n = 0; n < hosts * SENTINELS_PER_HOST; n++)
    seats.push({
      ...seatOf(random, MASTER_TENANT, usersOf(MASTER_TENANT)[0]!, seats.length),
      ...{ name: `sentinel ${n}`, acl: ACLS[0], version: 2, subscriptions: ['*'], style: 'stays' },
      ...{ host: n % hosts, sentinel: true },
    })
  return seats
}

function seatOf(random: Random, tenant: string, user: string, number: number): Seat {
  const version = random.chance(0.3) ? 1 : 2
  const style = random.pick(STYLES[version])
  const some = random.shuffle(NAMES).slice(0, 4)
  return {
    name: `seat ${number} (${style})`,
    tenant,
    user,
    acl: random.pick(ACLS),
    admin: random.chance(0.1),
    purpose: random.chance(0.05) ? 'internal' : 'user',
    version,
    subscriptions: random.chance(0.4) ? ['*'] : random.chance(0.3) ? [...some, '*'] : some,
    style,
    host: null,
    sentinel: false,
  }
}
