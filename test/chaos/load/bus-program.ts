/** A process that publishes the events of a run and reads the broker's stream (see Bus). */
import { setTimeout as sleep } from 'node:timers/promises'
import { connectAuth } from '../../support/auth.mjs'
import { Bus, type BusRecord } from './bus.js'
import { Catalogue } from '../../support/scenario/catalogue.js'
import { insist } from './insist.js'
import { listenToParent, tellParent } from './child.js'
import { now } from './clock.js'
import type { FromBus, ToBus } from './messages.js'
import { Random } from '../../support/scenario/random.js'

const REPORT_MS = 100
const TICK_MS = 10

const catalogue = new Catalogue()
let resting = false
let bus: Bus | null = null
let auth: Awaited<ReturnType<typeof connectAuth>> | null = null
let report = emptyReport()

const record: BusRecord = {
  published: (event) => void report.published.push(event),
  confirmed: (id, at) => void report.confirmed.push([id, at]),
  streamed: (message) => void report.streamed.push(message),
}

listenToParent((message) => void obey(message as ToBus))
setInterval(() => {
  tellParent({ ...report, lastConfirmed: bus?.lastConfirmed ?? 0 } satisfies FromBus)
  report = emptyReport()
}, REPORT_MS)

async function obey(message: ToBus): Promise<void> {
  switch (message.do) {
    case 'load':
      auth = await connectAuth(message.authUrl)
      bus = await Bus.open(message.urls, record)
      await load(bus, new Random(message.seed), message.perSecond)
      break
    case 'revoke':
      await revoke(message.token)
      break
    case 'rest':
      resting = true
      break
    case 'end':
      await bus?.close()
      process.exit(0)
  }
}

async function load(to: Bus, random: Random, perSecond: number): Promise<void> {
  const began = now()
  for (let sent = 0; !resting;) {
    await sleep(TICK_MS)
    for (const owed = ((now() - began) / 1000) * perSecond; sent < owed; sent++) {
      const number = catalogue.pick(random)
      to.publish(number, catalogue.shapes[number]!)
    }
  }
}

/** As wazo-auth does: the token is forgotten, then all are told. While the broker is away it stays a secret. */
async function revoke({
  token,
  session_uuid,
  metadata,
}: Extract<ToBus, { do: 'revoke' }>['token']): Promise<void> {
  report.deleted.push([session_uuid, now()])
  await insist(() => Promise.resolve(auth?.delete(token)))
  const number = catalogue.revocation(metadata.tenant_uuid, metadata.uuid)
  while (bus?.publish(number, catalogue.shapes[number]!, session_uuid) === null) await sleep(TICK_MS)
}

function emptyReport(): Omit<FromBus, 'lastConfirmed'> {
  return { published: [], confirmed: [], streamed: [], deleted: [] }
}
