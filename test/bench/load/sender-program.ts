/** The process that publishes on the bus, as Wazo's daemons do: transient messages, headers and body. */
import { connect, type Channel } from 'amqplib'
import { distribution } from '../../support/figures.js'
import { answerParent } from '../hot-path/peer.js'
import { measuring } from '../hot-path/usage.js'
import { makeEvent, nowUs } from './event.js'
import { paced } from './pace.js'
import type { Sent, ToSender } from './sender-messages.js'

const channels = new Map<string, Promise<Channel>>()

answerParent(async (asked): Promise<Sent> => {
  const { amqpUrl, exchange, kind, pace } = asked as ToSender
  let channel = channels.get(amqpUrl)
  if (channel === undefined) channels.set(amqpUrl, (channel = open(amqpUrl)))
  const out = await channel
  const used = measuring()
  const late = await paced(pace, (n) => {
    const { headers, body } = makeEvent(kind, n, nowUs())
    out.publish(exchange, '', body, { headers, contentType: 'application/json', persistent: false })
  })
  const { cpuUs, wallMs } = used(null)
  return { cpuShare: cpuUs / 1_000 / wallMs, lateMs: distribution(late).p99 }
})

async function open(url: string): Promise<Channel> {
  const connection = await connect(url, { noDelay: true })
  return connection.createChannel()
}
