/**
 * Publishes realistic traffic, as the daemons of a Wazo do: `node generator.mjs WORLD.json`, with the address
 * of RabbitMQ in GENERATOR_AMQP_URL, and events per second in GENERATOR_RATE, if they are to come evenly. Several stories are told at once; the first ones are about the first
 * tenant, so that a reader sees something at once.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'amqplib'
import { STORIES, shuffledStories } from './stories.mjs'
import { createStory } from '@wazo-websocketd/ingest/load/templates'

const STORIES_AT_ONCE = 4
const RECONNECT_MS = 1000
const TICK_MS = 5
const EXCHANGES = [
  ['wazo-headers', 'headers'],
  ['xivo', 'topic'],
]

/** @type {import('./people.mjs').World} */
const world = JSON.parse(readFileSync(process.argv[2], 'utf8'))
/** @type {import('amqplib').Channel | null} null while the broker is away: what happens meanwhile is not told */
let channel = null

/** @template T @param {readonly T[]} list @returns {T} */
const oneOf = (list) => list[Math.floor(Math.random() * list.length)]

/** @param {string} url */
function partsOf(url) {
  const { hostname, port, username, password, pathname } = new URL(url)
  return {
    hostname,
    port: Number(port || 5672),
    username: decodeURIComponent(username || 'guest'),
    password: decodeURIComponent(password || 'guest'),
    vhost: pathname.length > 1 ? decodeURIComponent(pathname.slice(1)) : '/',
    heartbeat: 5,
  }
}

async function keepConnected() {
  for (;;) {
    try {
      const connection = await connect(partsOf(process.env.GENERATOR_AMQP_URL ?? ''), { noDelay: true })
      const closed = new Promise((resolve) => connection.once('close', resolve))
      connection.on('error', (error) => console.error(error.message))
      const opened = await connection.createChannel()
      opened.on('error', (error) => console.error(error.message))
      for (const [name, type] of EXCHANGES) await opened.assertExchange(name, type, { durable: true })
      channel = opened
      await closed
    } catch (error) {
      console.error(error.message)
    }
    channel = null
    await sleep(RECONNECT_MS)
  }
}

/** @param {import('@wazo-websocketd/ingest/load/templates').Publication} publication */
function publish({ exchange, routingKey, headers, body }) {
  channel?.publish(exchange, routingKey, Buffer.from(body), {
    headers,
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    persistent: false,
    timestamp: Math.floor(Date.now() / 1000),
  })
}

/**
 * @param {import('./people.mjs').Tenant} tenant
 * @param {import('./people.mjs').User} user
 * @param {typeof STORIES[number]['tell']} story
 */
async function tell(tenant, user, story) {
  const peer = oneOf(tenant.users.filter(({ uuid }) => uuid !== user.uuid))
  const event = createStory({ origin: world.origin, tenant, user, peer, at: Date.now() })
  for (const step of story(Math.random)) {
    if (typeof step === 'number') await sleep(step)
    else publish(event(...step))
  }
}

/** Events of all stories, one after the other, so many per second. */
async function drum(perSecond) {
  const begun = performance.now()
  const due = () => Math.floor(((performance.now() - begun) / 1000) * perSecond)
  for (let sent = 0; ;) {
    const tenant = oneOf(world.tenants)
    const user = oneOf(tenant.users)
    const peer = oneOf(tenant.users.filter(({ uuid }) => uuid !== user.uuid))
    const event = createStory({ origin: world.origin, tenant, user, peer, at: Date.now() })
    for (const step of stories.next().value(Math.random)) {
      if (typeof step === 'number') continue
      while (sent >= due()) await sleep(TICK_MS)
      publish(event(...step))
      sent++
    }
  }
}

async function narrate() {
  for (;;) {
    const tenant = oneOf(world.tenants)
    await tell(tenant, oneOf(tenant.users), stories.next().value)
    await sleep(200 + Math.random() * 600)
  }
}

const [first] = world.tenants
const stories = shuffledStories(Math.random)
void keepConnected()
while (channel === null) await sleep(20)
const rate = Number(process.env.GENERATOR_RATE ?? '')
if (rate > 0) void drum(rate)
else {
  for (const { tell: story } of STORIES.slice(0, STORIES_AT_ONCE)) void tell(first, first.users[0], story)
  for (let told = 0; told < STORIES_AT_ONCE; told++) void narrate()
}
