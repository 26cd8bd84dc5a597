/** A process that holds the sessions of a run's clients (see Occupant). */
import { connectAuth } from '../../support/auth.mjs'
import { listenToParent, tellParent } from './child.js'
import type { FromClients, ToClients } from './messages.js'
import { Occupant, type Surroundings } from './occupant.js'
import { Random } from '../../support/scenario/random.js'
import { seatsFor, type Seat } from '../../support/scenario/seats.js'

const PROGRESS_MS = 100

type World = { -readonly [K in keyof Surroundings]: Surroundings[K] }

const occupants = new Map<Seat, Occupant>()
const reached = new Map<Seat, number>()
let deliveries = 0
let world: World | null = null

listenToParent((message) => void obey(message as ToClients))
setInterval(() => tell({ progress: progress() }), PROGRESS_MS)

function tell(message: FromClients): void {
  tellParent(message)
}

async function obey(message: ToClients): Promise<void> {
  switch (message.do) {
    case 'live':
      await begin(message)
      break
    case 'hosts':
      if (world !== null) world.urls = message.urls
      break
    case 'rest':
      if (world !== null) world.resting = true
      break
    case 'end':
      await Promise.all([...occupants.values()].map((occupant) => occupant.leave()))
      tell({ done: true })
  }
}

async function begin({ urls, authUrl, seed, part, of }: Extract<ToClients, { do: 'live' }>): Promise<void> {
  world = {
    auth: await connectAuth(authUrl),
    urls,
    resting: false,
    minted: (token, expiresAt) => tell({ minted: token, expiresAt }),
    revoke: (token) => tell({ revoke: token }),
    ended: (session) => tell({ ended: session }),
    received(seat, id) {
      deliveries++
      if (seat.sentinel) reached.set(seat, id)
    },
  }
  for (const [number, seat] of seatsFor(seed, urls.length).entries()) {
    if (number % of !== part) continue
    const occupant = new Occupant(seat, new Random(seed + number), world)
    occupants.set(seat, occupant)
    void occupant.live()
  }
}

function progress(): Extract<FromClients, { progress: unknown }>['progress'] {
  const sentinels: Record<string, number | null> = {}
  for (const [seat, occupant] of occupants)
    if (seat.sentinel) sentinels[seat.name] = occupant.started ? (reached.get(seat) ?? null) : null
  return { sentinels, deliveries }
}
