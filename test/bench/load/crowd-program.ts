/** A process of clients. */
import { answerParent } from '../hot-path/peer.js'
import { CrowdGroup } from './crowd-group.js'
import type { ToCrowd } from './crowd-messages.js'

const groups = new Map<string, CrowdGroup>()

answerParent(async (asked) => {
  const order = asked as ToCrowd
  switch (order.do) {
    case 'open': {
      const group = new CrowdGroup()
      groups.set(order.group, group)
      return group.open(order)
    }
    case 'arm':
      groupOf(order.group).arm()
      return null
    case 'count':
      return groupOf(order.group).count(order.events, order.timeoutMs)
    case 'close':
      groups.get(order.group)?.close()
      groups.delete(order.group)
      return null
  }
})

function groupOf(name: string): CrowdGroup {
  const group = groups.get(name)
  if (group === undefined) throw new Error(`no group of clients ${name}`)
  return group
}
