/** The subscribing process of the bench. */
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import { openListener, type Listener } from './listeners.js'
import { answerParent } from './peer.js'
import type { ToSubscriber, Usage } from './plan.js'
import { measuring } from './usage.js'

/** A count that takes longer will not be reached. */
const COUNT_MS_MAX = 60_000

let listener: Listener | null = null
let heard = 0
let wanted = Infinity
let outOfOrder: string | null = null
let done: () => void = () => undefined

answerParent(async (asked) => {
  const question = asked as ToSubscriber
  switch (question.do) {
    case 'open':
      heard = 0
      outOfOrder = null
      listener = await openListener(question.way, question.url, hear)
      return null
    case 'count':
      return count(question.events)
    case 'close':
      listener?.close()
      listener = null
      return null
  }
})

/** What a router would be given: an event; its number must follow the one before it. */
function hear({ offset }: BusEvent): void {
  heard++
  if (offset !== heard) outOfOrder ??= `event ${offset} where ${heard} was due`
  if (heard === wanted) done()
}

async function count(events: number): Promise<Usage> {
  const used = measuring()
  wanted = heard + events
  const reached = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), COUNT_MS_MAX)
    done = () => {
      clearTimeout(timer)
      resolve(true)
    }
  })
  if (!reached) return used(`only ${events - (wanted - heard)} of ${events} events came`)
  return used(outOfOrder ?? listener?.fault() ?? null)
}
