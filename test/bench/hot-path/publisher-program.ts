/** The publishing process of the bench. */
import { setTimeout as sleep } from 'node:timers/promises'
import { openFeed, type Feed } from './feeds.js'
import { Messages } from './messages.js'
import { answerParent } from './peer.js'
import type { Load, ToPublisher, Usage } from './plan.js'
import { measuring } from './usage.js'

let feed: Feed | null = null
let messages = new Messages()

answerParent(async (asked) => {
  const question = asked as ToPublisher
  switch (question.do) {
    case 'open':
      messages = new Messages()
      feed = await openFeed(question.way, question.url)
      return null
    case 'run':
      return run(question.load, question.batches)
    case 'close':
      await feed?.close()
      feed = null
      return null
  }
})

/** One batch after the other; those that are late follow at once. */
async function run({ batch, perSecond }: Load, batches: number): Promise<Usage> {
  if (feed === null) throw new Error('run before open')
  const used = measuring()
  const from = performance.now()
  const intervalMs = perSecond === null ? 0 : (1_000 * batch) / perSecond
  for (let i = 0; i < batches; i++) {
    const earlyMs = from + i * intervalMs - performance.now()
    if (intervalMs > 0 && earlyMs > 0) await sleep(Math.ceil(earlyMs))
    for (let n = 0; n < batch; n++) feed.put(messages.next())
    await feed.batch(messages.offset)
  }
  return used(feed.fault())
}
